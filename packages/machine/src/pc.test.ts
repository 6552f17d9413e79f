import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MiB } from '@umbra/base';
import type { BootPlan } from './boot/boot-plan.ts';
import { FakeProcessor } from './fake-processor.ts';
import { Pc, REQUEST, VIDEO_BYTES } from './pc.ts';
import { MachineClock } from './time/machine-clock.ts';

const RAM = 8 * MiB;
const BIOS = Uint8Array.from({ length: 128 * 1024 }, (_, index) => index & 0xff);
const FIRMWARE: BootPlan = { kind: 'firmware', bios: BIOS };
const MULTIBOOT: BootPlan = {
  kind: 'multiboot',
  kernel: {
    entry: 0x10_0004,
    end: 0x10_0008,
    pieces: [{ address: 0x10_0000, bytes: Buffer.from('kernel!!') }],
  },
  modules: [],
  commandLine: 'test',
};

function build(plan: BootPlan) {
  const host = { now: 0, typed: [...Buffer.from('hello')], output: '' };
  let processor: FakeProcessor | undefined;
  const pc = new Pc({
    ramBytes: RAM,
    plan,
    clock: new MachineClock(
      { monotonicNs: () => host.now, wallClockMs: () => 1_700_000_000_000 },
      () => undefined,
    ),
    serial: [
      {
        output: {
          write: (byte) => {
            host.output += String.fromCharCode(byte);
          },
        },
        input: { read: () => host.typed.shift() ?? -1 },
      },
    ],
    hasDebugExit: true,
    hasTestDevice: true,
    drives: [],
    bootOrder: [],
    uuid: new Uint8Array(16),
    random: () => 7,
    createProcessor: (board) => {
      processor = new FakeProcessor(board, RAM, VIDEO_BYTES);
      return processor;
    },
  });
  assert.ok(processor);
  return { pc, processor, host, board: processor.board };
}

test('firmware is seen at the top of 4 GiB and below 1 MiB, until PAM switches RAM in', () => {
  const { processor, board } = build(FIRMWARE);
  const { guestMemory } = processor;
  assert.equal(guestMemory.read8(0xffff_fff0), 0xf0);
  assert.equal(guestMemory.read8(0xf_fff1), 0xf1);
  assert.equal(guestMemory.read8(0xd_0000), 0xff);
  guestMemory.write8(0xf_fff1, 0);
  assert.equal(guestMemory.read8(0xf_fff1), 0xf1);
  // PAM0 of the host bridge: F0000 reads and writes RAM, then RAM that is only read.
  board.ioWrite(0xcf8, 4, 0x8000_0058);
  board.ioWrite(0xcfd, 1, 0x30);
  guestMemory.write8(0xf_fff1, 0x5a);
  assert.equal(guestMemory.read8(0xf_fff1), 0x5a);
  board.ioWrite(0xcfd, 1, 0x10);
  guestMemory.write8(0xf_fff1, 0);
  assert.equal(guestMemory.read8(0xf_fff1), 0x5a);
});

test('fw_cfg serves the files that SeaBIOS asks for', () => {
  const { board } = build(FIRMWARE);
  const select = (key: number): void => board.ioWrite(0x510, 2, key);
  const next = (count: number) =>
    Buffer.from(Array.from({ length: count }, () => board.ioRead(0x511, 1)));
  select(0);
  assert.equal(next(4).toString(), 'QEMU');
  select(0x19);
  const count = next(4).readUInt32BE();
  const names = Array.from({ length: count }, () =>
    next(64).toString('latin1', 8).replace(/\0.*/s, ''),
  );
  for (const name of ['etc/e820', 'etc/acpi/tables', 'etc/acpi/rsdp', 'etc/table-loader']) {
    assert.ok(names.includes(name), name);
  }
});

test('direct boot loads the kernel, shows ACPI below 1 MiB and gives PCI functions addresses', () => {
  const { processor, board } = build(MULTIBOOT);
  const { guestMemory, log } = processor;
  assert.ok(log.includes('protected 100004'));
  assert.equal(guestMemory.read8(0x10_0000), 'k'.charCodeAt(0));
  const signature = Buffer.alloc(8);
  guestMemory.readInto(0xf_0040, signature);
  assert.equal(signature.toString(), 'RSD PTR ');
  const xsdt = Buffer.alloc(4);
  guestMemory.readInto(guestMemory.read32(0xf_0040 + 24), xsdt);
  assert.equal(xsdt.toString(), 'XSDT');
  board.ioWrite(0xcf8, 4, 0x8000_1010);
  assert.equal(board.ioRead(0xcfc, 4) & ~0xf, 0xc000_0000 | 0, 'BAR 0 of the display');
});

test('bytes cross the serial port both ways', () => {
  const { board, host } = build(FIRMWARE);
  for (const byte of Buffer.from('out')) board.ioWrite(0x3f8, 1, byte);
  assert.equal(host.output, 'out');
  board.service();
  let received = '';
  while (board.ioRead(0x3fd, 1) & 1) received += String.fromCharCode(board.ioRead(0x3f8, 1));
  assert.equal(received, 'hello');
});

test('a timer interrupt reaches the processor through the 8259 pair', () => {
  const { processor, board, host } = build(FIRMWARE);
  for (const [port, value] of [
    [0x20, 0x11],
    [0x21, 0x30],
    [0x21, 0x04],
    [0x21, 0x01],
    [0x21, 0xfe],
    [0x43, 0x34],
    [0x40, 0xa9],
    [0x40, 0x04],
  ] as const) {
    board.ioWrite(port, 1, value);
  }
  // Setting the mode raises the output: a first edge, before anything is counted.
  assert.equal(board.acknowledgeInterrupt(), 0x30);
  board.ioWrite(0x20, 1, 0x20);
  assert.equal(processor.isInterruptAsserted, false);
  host.now += 2_000_000;
  board.service();
  assert.equal(processor.isInterruptAsserted, true);
  assert.equal(board.acknowledgeInterrupt(), 0x30);
  assert.equal(processor.isInterruptAsserted, false);
});

test('power off, debug exit, and what the processor reports end a machine', () => {
  const end = (act: (built: ReturnType<typeof build>) => void) => {
    const built = build(FIRMWARE);
    act(built);
    return built.pc.run();
  };
  const step = (act: (built: ReturnType<typeof build>) => void) =>
    end((built) => {
      built.processor.steps.push(() => {
        act(built);
        return { kind: 'stopped' };
      });
    });
  assert.deepEqual(
    step(({ board }) => board.ioWrite(0x604, 2, 0x2000)),
    { kind: 'power-off' },
  );
  assert.deepEqual(
    step(({ board }) => board.ioWrite(0xf4, 4, 5)),
    { kind: 'debug-exit', value: 5 },
  );
  assert.deepEqual(
    end(({ processor }) => processor.steps.push(() => ({ kind: 'shutdown' }))),
    { kind: 'shutdown', dump: 'dump' },
  );
  assert.deepEqual(
    end(({ processor }) => processor.steps.push(() => ({ kind: 'failure', message: 'm' }))),
    { kind: 'failure', message: 'm', dump: 'dump' },
  );
  assert.deepEqual(
    end(({ pc }) => {
      pc.takeRequests = () => REQUEST.STOP;
    }),
    { kind: 'stopped' },
  );
});

test('a reset by port CF9 starts the machine again, the kernel included', () => {
  const { pc, processor, board } = build(MULTIBOOT);
  processor.guestMemory.write8(0x10_0000, 0);
  processor.steps.push(
    () => {
      board.ioWrite(0xcf9, 1, 0x06);
      return { kind: 'stopped' };
    },
    () => {
      assert.equal(processor.guestMemory.read8(0x10_0000), 'k'.charCodeAt(0));
      board.ioWrite(0xf4, 4, 0);
      return { kind: 'stopped' };
    },
  );
  assert.equal(pc.run().kind, 'debug-exit');
  assert.equal(processor.log.filter((line) => line === 'reset').length, 2);
});

test('a halted machine sleeps, and wakes for requests', () => {
  const { pc, processor } = build(FIRMWARE);
  let asked = 0;
  pc.takeRequests = () => (++asked > 3 ? REQUEST.STOP : asked === 2 ? REQUEST.NMI : 0);
  assert.deepEqual(pc.run(), { kind: 'stopped' });
  assert.ok(processor.log.includes('nmi'));
  assert.ok(processor.log.some((line) => line.startsWith('wait')));
});

test('the saved state goes through JSON and comes back the same', () => {
  const first = build(FIRMWARE);
  first.host.now = 5_000_000;
  first.board.ioWrite(0x3fb, 1, 0x1b);
  first.board.ioWrite(0x21, 1, 0x5a);
  const saved = JSON.parse(JSON.stringify(first.pc.save()));
  const second = build(FIRMWARE);
  second.pc.restore(saved);
  assert.deepEqual(JSON.parse(JSON.stringify(second.pc.save())), saved);
  assert.equal(second.board.ioRead(0x3fb, 1), 0x1b);
  const damaged = {
    ...saved,
    devices: { ...saved.devices, pic: { kind: 'pic', version: 99, state: 0 } },
  };
  assert.throws(() => second.pc.restore(damaged), { code: 'STATE_DEVICE' });
});

test('random accesses to all ports and pages never throw', () => {
  const { board } = build(FIRMWARE);
  let seed = 99;
  const random = (limit: number): number => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Math.floor((seed / 2 ** 32) * limit);
  };
  const sizes = [1, 2, 4] as const;
  for (let round = 0; round < 20_000; round += 1) {
    const size = sizes[random(3)] ?? 1;
    const port = random(2) === 0 ? random(0x1_0000) : random(0x800);
    // Resets are of no use here: they only make the run shorter.
    if (port >= 0xcf6 && port <= 0xcf9) continue;
    const value = random(2 ** 32);
    if (random(2) === 0) board.ioRead(port, size);
    else board.ioWrite(port, size, value & (2 ** (size * 8) - 1));
    const page = [0xfec0_0000, 0xfed0_0000, 0xfee0_0000, 0xa_0000, 0xff00_0000][random(5)] ?? 0;
    const address = page + random(0x1000 / size) * size;
    if (random(2) === 0) board.mmioRead(address, size);
    else board.mmioWrite(address, size, value);
  }
});
