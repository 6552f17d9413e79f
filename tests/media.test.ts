import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { buildGuestSets } from '../guests/guest-sets.ts';
import {
  cacheFolder,
  type HostDisk,
  type HostLine,
  Machine,
  openHostDisk,
  parseBzImage,
} from '../packages/machine/src/index.ts';
import { PROMPT } from './linux-guest.ts';

const BOOT_MS_MAX = 300_000;
const COMMAND_MS_MAX = 60_000;
const CD_DRIVE = 0;

/** A serial line that a test types on. */
class TypedLine implements HostLine {
  #text = '';
  #at = 0;
  #type: (bytes: Uint8Array) => Promise<void> = async () => undefined;
  #onOutput: () => void = () => undefined;

  async write(bytes: Uint8Array): Promise<void> {
    this.#text += Buffer.from(bytes).toString('latin1');
    this.#onOutput();
  }
  listen(onBytes: (bytes: Uint8Array) => Promise<void>): void {
    this.#type = onBytes;
  }
  async close(): Promise<void> {}

  /** Waits for the prompt; what came before it. */
  async prompt(timeoutMs = COMMAND_MS_MAX): Promise<string> {
    const deadline = AbortSignal.timeout(timeoutMs);
    for (;;) {
      const match = PROMPT.exec(this.#text.slice(this.#at));
      if (match !== null) {
        const before = this.#text.slice(this.#at, this.#at + match.index);
        this.#at += match.index + match[0].length;
        return before;
      }
      assert.ok(!deadline.aborted, `no prompt in ${this.#text.slice(-500)}`);
      await new Promise<void>((resolve) => {
        this.#onOutput = resolve;
        deadline.addEventListener('abort', () => resolve(), { once: true });
      });
    }
  }

  async command(text: string): Promise<string> {
    await this.#type(Buffer.from(`${text}\n`));
    return await this.prompt();
  }
}

test('a CD is taken out and another put in while the guest runs', async () => {
  const { amd64 } = await buildGuestSets(['amd64'], () => undefined);
  const folder = mkdtempSync(join(tmpdir(), 'umbra-media-'));
  const open = (name: string, blocks: number): Promise<HostDisk> => {
    const path = join(folder, name);
    writeFileSync(path, Buffer.alloc(blocks * 2048, name));
    const events = { onStall: () => undefined, onError: () => undefined };
    return openHostDisk({ path, format: 'raw', isReadOnly: true }, events);
  };
  const first = await open('first', 1000);
  const line = new TypedLine();
  const kernel = join(amd64, 'vmlinuz-amd64');
  const machine = Machine.start({
    spec: {
      ramBytes: 256 << 20,
      engine: 'translator',
      mmu: 'shadow',
      plan: {
        kind: 'linux',
        kernel: parseBzImage(readFileSync(kernel), kernel),
        initrd: readFileSync(join(amd64, 'initrd-modules-amd64.cpio')),
        commandLine: 'console=ttyS0',
      },
      hasDebugExit: false,
      hasTestDevice: false,
      drives: [{ bus: 'ide', place: 2, media: 'cdrom', medium: first.backend.info }],
      bootOrder: [],
    },
    serial: [line],
    disks: [first],
    cacheFolder: cacheFolder(),
  });
  try {
    await line.prompt(BOOT_MS_MAX);
    assert.match(await line.command('sleep 2; head -c 5 /dev/sr0'), /first/);
    await assert.rejects(async () => machine.insert(CD_DRIVE, first), /Drive 0 holds a medium/);
    machine.eject(CD_DRIVE, false);
    assert.match(await line.command('sleep 2; head -c 5 /dev/sr0'), /No medium found/);
    assert.equal(machine.hasMedium(CD_DRIVE), false);
    machine.insert(CD_DRIVE, await open('second', 3000));
    assert.match(await line.command('sleep 1; head -c 6 /dev/sr0'), /second/);
    assert.match(await line.command('cat /sys/block/sr0/size'), /\n12000\r/);
    machine.eject(CD_DRIVE, true);
    assert.match(await line.command('sleep 1; head -c 6 /dev/sr0'), /No medium found/);
    assert.equal(machine.hasMedium(CD_DRIVE), false);
  } finally {
    machine.stop();
    await machine.ended;
    rmSync(folder, { recursive: true });
  }
});
