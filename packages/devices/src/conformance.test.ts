import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Device } from '@umbra/core';
import {
  BochsVga,
  DebugConsole,
  DebugExit,
  FloppyDrive,
  FwCfg,
  Hpet,
  I440fx,
  I8042,
  I8237Pair,
  I8254Pit,
  I8259Pair,
  I82078Fdc,
  I82093Ioapic,
  IsaInterrupts,
  Mc146818Rtc,
  PciBus,
  PcTestdev,
  Piix3,
  Piix3Ide,
  Piix4Pm,
  PostPort,
  ScsiCdrom,
  ScsiDisk,
  SystemControlPortA,
  SystemControlPortB,
  Uart16550,
  VGA_MEMORY_BYTES,
  VirtioBlk,
  VirtioScsi,
} from './index.ts';
import {
  ManualClock,
  SeededRandom,
  TestDisk,
  TestLine,
  TestMemory,
  TestMmio,
  TestPio,
} from './test-support.ts';
import { VirtioTestDriver } from './virtio/virtio-test-driver.ts';

interface Bench {
  readonly clock: ManualClock;
  readonly pio: TestPio;
  readonly mmio: TestMmio;
  readonly memory: TestMemory;
  readonly disk: TestDisk;
  readonly floppy: TestDisk;
}

interface Fixture {
  readonly kind: string;
  /** Makes the device on a bench of its own; helpers it needs come first in the list. */
  make(bench: Bench): readonly [Device, ...Device[]];
  /** Extra input from the host side during random traffic. */
  stir?(device: Device, random: SeededRandom, bench: Bench): void;
  /** Fields that a reset keeps, because the chip has a battery. */
  readonly kept?: readonly string[];
}

const nothing = (): void => {};
const line = (): TestLine => new TestLine();
const lines = (count: number): TestLine[] => Array.from({ length: count }, line);
const sink = { write: nothing };

function bus(bench: Bench): PciBus {
  return new PciBus({ name: 'pci', pio: bench.pio, mmio: bench.mmio, onReset: nothing });
}

/** Every device of the package: a new one belongs here on the day it is born. */
const FIXTURES: readonly Fixture[] = [
  {
    kind: 'i8259-pair',
    make: ({ pio }) => [new I8259Pair({ name: 'pic', pio, output: line() })],
    stir: (device, random) => {
      const pic = device as I8259Pair;
      pic.line(random.below(16)).set(random.below(2) === 1);
      if (random.below(4) === 0) pic.acknowledge();
    },
  },
  {
    kind: 'isa-interrupts',
    make: ({ pio }) => {
      const pic = new I8259Pair({ name: 'pic', pio, output: line() });
      const isa = new IsaInterrupts({ name: 'isa', pic });
      isa.source(4);
      isa.source(0, { isLegacyTimer: true });
      return [isa, pic];
    },
    stir: (device, random) => (device as IsaInterrupts).setLegacyReplacement(random.below(3) > 0),
  },
  {
    kind: 'i8254-pit',
    make: ({ pio, clock }) => [new I8254Pit({ name: 'pit', pio, clock, irq0: line() })],
    stir: (device, random) => (device as I8254Pit).setGate2(random.below(2) === 1),
  },
  {
    kind: 'system-control-port-b',
    make: ({ pio, clock }) => {
      const pit = new I8254Pit({ name: 'pit', pio, clock, irq0: line() });
      return [new SystemControlPortB({ name: 'port61', pio, clock, pit }), pit];
    },
  },
  {
    kind: 'system-control-port-a',
    make: ({ pio }) => [
      new SystemControlPortA({ name: 'port92', pio, onA20: nothing, onReset: nothing }),
    ],
  },
  {
    kind: 'mc146818-rtc',
    make: ({ pio, clock }) => [new Mc146818Rtc({ name: 'rtc', pio, clock, irq: line() })],
    kept: ['ram', 'offsetMs', 'periodicSeenNs', 'updateSeenSecond'],
  },
  {
    kind: 'i8042',
    make: ({ pio }) => [
      new I8042({
        name: 'kbc',
        pio,
        keyboardIrq: line(),
        mouseIrq: line(),
        onA20: nothing,
        onReset: nothing,
      }),
    ],
    stir: (device, random) => {
      const controller = device as I8042;
      const keys = ['KeyA', 'Pause', 'ArrowUp', 'PrintScreen', 'NoSuchKey'];
      controller.pressKey(keys[random.below(keys.length)] ?? '', random.below(2) === 1);
      controller.moveMouse(random.below(9000) - 4500, random.below(99), 3, random.below(8));
    },
  },
  {
    kind: 'i8237-pair',
    make: ({ pio, memory }) => [new I8237Pair({ name: 'dma', pio, memory })],
    stir: (device, random) => {
      const dma = device as I8237Pair;
      dma.writeToMemory(random.below(8), new Uint8Array(random.below(100)));
      dma.readFromMemory(random.below(8), new Uint8Array(random.below(100)));
    },
  },
  {
    kind: 'uart-16550',
    make: ({ pio, clock }) => [
      new Uart16550({ name: 'com1', pio, firstPort: 0x3f8, irq: line(), line: sink, clock }),
    ],
    stir: (device, random) => {
      for (let i = random.below(40); i > 0; i--) (device as Uart16550).feed(random.below(256));
    },
  },
  {
    kind: 'debug-console',
    make: ({ pio }) => [new DebugConsole({ name: 'debug', pio, line: sink })],
  },
  {
    kind: 'debug-exit',
    make: ({ pio }) => [new DebugExit({ name: 'exit', pio, onExit: nothing })],
  },
  { kind: 'post-port', make: ({ pio }) => [new PostPort({ name: 'post', pio })] },
  {
    kind: 'pc-testdev',
    make: ({ pio, mmio }) => [new PcTestdev({ name: 'testdev', pio, mmio, lines: lines(24) })],
  },
  {
    kind: 'i82093-ioapic',
    make: ({ mmio }) => [new I82093Ioapic({ name: 'ioapic', mmio, bus: { deliver: nothing } })],
    stir: (device, random) => {
      const ioapic = device as I82093Ioapic;
      ioapic.line(random.below(24)).set(random.below(2) === 1);
      ioapic.eoi(random.below(256));
    },
  },
  {
    kind: 'hpet',
    make: ({ mmio, clock }) => [
      new Hpet({
        name: 'hpet',
        mmio,
        clock,
        pins: lines(24),
        irq0: line(),
        irq8: line(),
        onLegacyReplacement: nothing,
      }),
    ],
  },
  {
    kind: 'i82078-fdc',
    make: ({ pio, memory, floppy }) => {
      const dma = new I8237Pair({ name: 'dma', pio, memory });
      const drive = new FloppyDrive({ medium: floppy, onEject: nothing });
      const drives = [drive];
      return [new I82078Fdc({ name: 'fdc', pio, memory, irq: line(), dma, drives }), dma];
    },
    stir: (_device, random, bench) => stirFloppy(random, bench),
  },
  {
    kind: 'pci-bus',
    make: (bench) => {
      const pci = bus(bench);
      const bridge = new I440fx({ name: 'i440fx', pci, onPam: nothing });
      const isa = new Piix3({ name: 'piix3', pci, irqs: lines(16), pirqPins: lines(4) });
      return [pci, bridge, isa];
    },
  },
  {
    kind: 'i440fx',
    make: (bench) => {
      const pci = bus(bench);
      return [new I440fx({ name: 'i440fx', pci, onPam: nothing }), pci];
    },
  },
  {
    kind: 'piix3',
    make: (bench) => {
      const pci = bus(bench);
      return [new Piix3({ name: 'piix3', pci, irqs: lines(16), pirqPins: lines(4) }), pci];
    },
  },
  {
    kind: 'piix3-ide',
    make: (bench) => {
      const { pio, memory, disk } = bench;
      const pci = bus(bench);
      const unit = new ScsiCdrom({ medium: disk, onEject: nothing });
      const drives = [
        { kind: 'disk', backend: disk, serial: '1' },
        undefined,
        { kind: 'cdrom', unit, serial: '2' },
        { kind: 'disk', backend: disk, serial: '3' },
      ] as const;
      return [new Piix3Ide({ name: 'ide', pci, pio, memory, irqs: [line(), line()], drives }), pci];
    },
    stir: (_device, random, bench) => stirIde(random, bench),
  },
  {
    kind: 'piix4-pm',
    make: (bench) => {
      const { pio, clock } = bench;
      const pci = bus(bench);
      const sci = line();
      return [new Piix4Pm({ name: 'pm', pci, pio, clock, sci, onPowerOff: nothing }), pci];
    },
    stir: (device, random) => {
      (device as Piix4Pm).pressPowerButton();
      (device as Piix4Pm).raiseGpe(random.below(16));
    },
    kept: ['timerHalvesSeen'],
  },
  {
    kind: 'bochs-vga',
    make: (bench) => {
      const pci = bus(bench);
      const rom = new Uint8Array(5000).fill(0x55);
      return [new BochsVga({ name: 'vga', pci, ...bench, rom }), pci];
    },
    stir: (device, random) => {
      if (random.below(200) !== 0) return;
      const { width, height, pixels } = (device as BochsVga).render();
      assert.equal(pixels.length, width * height);
      (device as BochsVga).textScreen();
    },
  },
  {
    kind: 'virtio-blk',
    make: (bench) => {
      const pci = bus(bench);
      const { memory, disk: backend } = bench;
      const options = { name: 'virtio', slot: VIRTIO_SLOT, pci, memory, backend };
      return [new VirtioBlk({ ...options, serial: '1', queueCount: 2 }), pci];
    },
    stir: (_device, random, bench) => stirVirtio(random, bench, 2),
  },
  {
    kind: 'virtio-scsi',
    make: (bench) => {
      const pci = bus(bench);
      const { memory, disk } = bench;
      const units = new Map<number, ScsiDisk | ScsiCdrom>([
        [0, new ScsiDisk({ backend: disk, serial: '1' })],
        [1, new ScsiCdrom({ medium: disk, onEject: nothing })],
      ]);
      return [new VirtioScsi({ name: 'virtio', slot: VIRTIO_SLOT, pci, memory, units }), pci];
    },
    stir: (_device, random, bench) => stirVirtio(random, bench, 3),
  },
  {
    kind: 'fw-cfg',
    make: ({ pio, memory }) => {
      const fwCfg = new FwCfg({ name: 'fw-cfg', pio, memory });
      fwCfg.addFile('etc/test', new Uint8Array([1, 2, 3]));
      return [fwCfg];
    },
  },
];

const VIRTIO_SLOT = 16;
const STEPS = 4000;
const SEEDS = [1, 0xdecaf];

for (const fixture of FIXTURES) {
  test(`${fixture.kind}: a new device survives save, JSON, parse and restore`, () => {
    const bench = newBench();
    const [device] = fixture.make(bench);
    assert.equal(device.schema.kind, fixture.kind);
    assertRoundTrip(device, fixture, bench);
  });

  for (const seed of SEEDS) {
    test(`${fixture.kind}: random traffic, seed ${seed}`, () => {
      const bench = newBench();
      const [device, ...helpers] = fixture.make(bench);
      const fresh = copy(device.save());
      const hasChanged = makeTraffic(bench, fixture, device, new SeededRandom(seed));
      const hasState = Object.keys(fresh as object).length > 0;
      assert.equal(hasChanged, hasState, 'traffic reaches the device');
      assertRoundTrip(device, fixture, bench);
      assert.ok(JSON.stringify(device.save()).length < 64 * 1024, 'state stays small');
      assert.ok(bench.clock.timerCount < 16, 'timers do not pile up');
      for (const each of [...helpers, device]) each.reset();
      assert.deepEqual(without(device.save(), fixture), without(fresh, fixture));
    });
  }
}

function newBench(): Bench {
  return {
    clock: new ManualClock(),
    pio: new TestPio(),
    mmio: new TestMmio(),
    memory: new TestMemory(0x1_0000, VGA_MEMORY_BYTES),
    disk: new TestDisk(0x10_0000),
    floppy: new TestDisk(1_474_560),
  };
}

function copy(state: unknown): unknown {
  return JSON.parse(JSON.stringify(state));
}

function without(state: unknown, { kept = [] }: Fixture): unknown {
  const entries = Object.entries(copy(state) as Record<string, unknown>);
  return Object.fromEntries(entries.filter(([key]) => !kept.includes(key)));
}

/** The state of `device` goes into a device that was just made, and comes out the same. */
function assertRoundTrip(device: Device, fixture: Fixture, bench: Bench): void {
  const saved = copy(device.save());
  const parsed = device.schema.parse(saved);
  assert.deepEqual(parsed, device.save());
  const twinBench = newBench();
  const [twin] = fixture.make(twinBench);
  // What was under way begins anew, from memory as it was.
  twinBench.memory.hostBytes().set(bench.memory.hostBytes());
  twin.restore(parsed);
  assert.deepEqual(copy(twin.save()), saved);
  assert.throws(() => device.schema.parse({ ...(saved as object), unexpected: 1 }));
}

/** Random accesses by the guest; whether the device's state was ever seen changed. */
function makeTraffic(
  bench: Bench,
  fixture: Fixture,
  device: Device,
  random: SeededRandom,
): boolean {
  const { pio, mmio, clock } = bench;
  const fresh = JSON.stringify(device.save());
  let hasChanged = false;
  for (let step = 0; step < STEPS; step++) {
    const ports = pio.ports();
    const port = ports[random.below(Math.max(1, ports.length))] ?? 0;
    // Configuration space is reached through an address first.
    if (ports.includes(0xcf8) && random.below(4) === 0) pio.out32(0xcf8, configAddress(random));
    if (ports.length > 0) accessPort(pio, port, random);
    for (const [address, { size }] of [...mmio.ranges]) {
      accessMemory(mmio, address + random.below(Math.min(size, 0x2_0000)), random);
    }
    fixture.stir?.(device, random, bench);
    if (random.below(8) === 0) clock.advance(random.below(3_000_000));
    if (!hasChanged && step % 16 === 0) hasChanged = JSON.stringify(device.save()) !== fresh;
  }
  assert.ok(clock.callbackCount < 40 * STEPS, `${clock.callbackCount} timer callbacks`);
  return hasChanged;
}

/** Commands of ATA disks and of CD drives that do most. */
const ATA_COMMANDS = [
  ...[0x06, 0x20, 0x25, 0x27, 0x30, 0x35, 0x3d, 0x40, 0xb0, 0xc4, 0xc5, 0xc6, 0xc8, 0xca],
  ...[0xe5, 0xe7, 0xec, 0xef, 0xf8],
];
const CDROM_COMMANDS = [
  ...[0x00, 0x03, 0x12, 0x15, 0x1a, 0x1b, 0x1e, 0x25, 0x28, 0x42, 0x43, 0x46, 0x4a, 0x51, 0x52],
  ...[0x55, 0x5a, 0xa8, 0xad, 0xbd, 0xbe],
];

/** Traffic that reaches beyond the registers: commands, packets, DMA. */
function stirIde(random: SeededRandom, { pio, memory, disk }: Bench): void {
  const pick = (list: readonly number[]): number => list[random.below(list.length)] ?? 0;
  if (random.below(100) === 0) openIde(pio);
  memory.write32(random.below(0x1_0000), random.next());
  for (const [command, control] of [
    [0x1f0, 0x3f6],
    [0x170, 0x376],
  ] as const) {
    pio.out8(control, 0);
    pio.out8(command + 6, 0xe0 | (random.below(4) === 0 ? 0x10 : 0));
    for (const offset of [2, 3]) pio.out8(command + offset, random.below(4));
    for (const offset of [4, 5]) pio.out8(command + offset, 0);
    if (random.below(2) === 0) pio.out8(command + 7, pick(ATA_COMMANDS));
  }
  if (random.below(2) === 0) {
    pio.out8(0x175, random.below(16));
    pio.out8(0x177, 0xa0);
    pio.out16(0x170, pick(CDROM_COMMANDS) | (random.below(4) << 8));
    for (let word = 1; word < 6; word++) pio.out16(0x170, random.below(2) * random.below(0x1_0000));
  }
  for (let words = random.below(300); words > 0; words--) pio.in16(pick([0x1f0, 0x170]));
  if (random.below(4) === 0) pio.out8(pick([0xc000, 0xc008]), pick([0, 1, 8, 9]));
  if (random.below(8) === 0) disk.nextStatus = 'io-error';
  if (random.below(3) === 0) disk.run();
}

/** Commands of the floppy controller with sensible parameters, and its DMA channel made ready. */
function stirFloppy(random: SeededRandom, { pio, floppy }: Bench): void {
  pio.out8(0x3f2, random.below(8) === 0 ? 0x08 : 0x1c);
  pio.out8(0x3f7, 0);
  pio.out8(0x0b, random.below(2) === 0 ? 0x46 : 0x4a);
  pio.out8(0x0c, 0);
  pio.out8(0x05, 0xff);
  pio.out8(0x05, random.below(4));
  pio.out8(0x0a, 2);
  for (let count = random.below(12); count > 0; count--) pio.in8(0x3f5);
  const code = [0xe6, 0xc5, 0x0f, 0x08, 0x4d, 0xf6, 0x0e, 0x4a, 0x03, 0x13][random.below(10)] ?? 0;
  for (const value of [code, 0, 0, random.below(2), 1 + random.below(18), 2, 18, 27, 255]) {
    pio.out8(0x3f5, value);
  }
  if (random.below(8) === 0) floppy.nextStatus = 'io-error';
  if (random.below(2) === 0) floppy.run();
}

/** A driver that fills its rings with nonsense, and now and then with sense. */
function stirVirtio(random: SeededRandom, bench: Bench, queues: number): void {
  const { memory, disk } = bench;
  const driver = new VirtioTestDriver(bench, VIRTIO_SLOT);
  const range = () => ({ address: random.below(0x1_1000), length: random.below(4) * 512 });
  if (random.below(50) === 0) driver.start(random.below(2) === 0 ? [] : [28, 29], queues);
  const queue = random.below(queues);
  const base = driver.rings(queue);
  if (random.below(3) === 0) {
    const header = { address: 0x8000 + random.below(64), length: 51 };
    const [type, lun] = [random.below(16), 1 + 256 * random.below(3)];
    memory.write32(0x8000, random.below(2) === 0 ? type : lun);
    driver.add(queue, [header, range()], [range(), { address: 0x8400, length: 1 }]);
  } else {
    const flags = random.below(8);
    driver.descriptor(base + 16 * random.below(8), range().address, 16, flags, random.below(9));
    memory.write16(base + 0x100 + 2 * random.below(16), random.below(12));
  }
  driver.notify(queue);
  if (random.below(8) === 0) disk.nextStatus = 'io-error';
  if (random.below(2) === 0) disk.run();
}

/** What firmware does before it uses the IDE controller. */
function openIde(pio: TestPio): void {
  const set = (register: number, value: number): void => {
    pio.out32(0xcf8, 0x8000_0900 + register);
    pio.out32(0xcfc, value);
  };
  set(0x20, 0xc000);
  set(0x04, 5);
  set(0x40, 0x8000_8000);
}

function configAddress(random: SeededRandom): number {
  const devfn = [0x00, 0x08, 0x09, 0x0b, 0x10][random.below(5)] ?? 0;
  return (0x8000_0000 | (devfn << 8) | (random.below(64) << 2)) >>> 0;
}

function accessPort(pio: TestPio, port: number, random: SeededRandom): void {
  const value = random.next();
  switch (random.below(6)) {
    case 0:
      assertFits(pio.in8(port), 8);
      break;
    case 1:
      assertFits(pio.in16(port), 16);
      break;
    case 2:
      assertFits(pio.in32(port), 32);
      break;
    case 3:
      pio.out8(port, value & 0xff);
      break;
    case 4:
      pio.out16(port, value & 0xffff);
      break;
    default:
      pio.out32(port, value);
  }
}

function accessMemory(mmio: TestMmio, address: number, random: SeededRandom): void {
  const size = [1, 2, 4][random.below(3)] ?? 4;
  const aligned = address - (address % size);
  if (random.below(2) === 0) assertFits(mmio.read(aligned, size), 8 * size);
  else mmio.write(aligned, size === 4 ? random.next() : random.below(2 ** (8 * size)), size);
}

function assertFits(value: number, bits: number): void {
  assert.ok(Number.isInteger(value) && value >= 0 && value < 2 ** bits, `${value} in ${bits} bits`);
}
