import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMailboxBlock, MediaMailbox } from './media-mailbox.ts';

test('commands for drives arrive once, the last one of each drive', () => {
  const block = createMailboxBlock(3);
  const [sender, receiver] = [new MediaMailbox(block), new MediaMailbox(block)];
  const info = {
    sizeBytes: 2 ** 41,
    isReadOnly: true,
    canDiscard: false,
    hasWriteCache: true,
    queueDepthMax: 64,
  };
  sender.post(0, { kind: 'eject' });
  sender.post(2, { kind: 'remove' });
  sender.post(2, { kind: 'insert', info });
  const taken: unknown[] = [];
  const take = (): void => receiver.take((drive, command) => taken.push([drive, command]));
  take();
  take();
  assert.deepEqual(taken, [
    [0, { kind: 'eject' }],
    [2, { kind: 'insert', info }],
  ]);
});
