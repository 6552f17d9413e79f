import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EscapeFilter } from './escape-filter.ts';

function type(...chunks: string[]): { passed: string; actions: string[] } {
  const filter = new EscapeFilter();
  const actions: string[] = [];
  const passed = chunks
    .map((chunk) =>
      Buffer.from(filter.filter(Buffer.from(chunk), (action) => actions.push(action))),
    )
    .join('');
  return { passed, actions };
}

test('keys behind Ctrl-A are actions, everything else reaches the guest', () => {
  assert.deepEqual(type('ls\r\x03\x01x'), { passed: 'ls\r\x03', actions: ['quit'] });
  assert.deepEqual(type('\x01h\x01p\x01r\x01n'), {
    passed: '',
    actions: ['help', 'power-button', 'reset', 'nmi'],
  });
});

test('Ctrl-A itself is sent by a second one or by a; unknown keys are dropped', () => {
  assert.deepEqual(type('\x01a\x01\x01\x01zq'), { passed: '\x01\x01q', actions: [] });
});

test('the escape key may come in a chunk of its own', () => {
  assert.deepEqual(type('a\x01', 'xb'), { passed: 'ab', actions: ['quit'] });
});
