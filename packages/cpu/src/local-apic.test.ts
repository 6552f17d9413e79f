import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Clock, Timer } from '@umbra/base';
import { type ApicMessage, DELIVERY_MODE } from '@umbra/core';
import { LocalApic } from './local-apic.ts';

const BASE_LOW = 0xfee0_0000;
const BSP = 0x100;
const EXTD = 0x400;
const EN = 0x800;

class ManualClock implements Clock {
  #now = 1_000;
  #pending: { deadline: number; callback: () => void }[] = [];

  now(): number {
    return this.#now;
  }

  wallClockMs(): number {
    return 0;
  }

  schedule(deadline: number, callback: () => void): Timer {
    const entry = { deadline, callback };
    this.#pending.push(entry);
    return {
      cancel: () => {
        this.#pending = this.#pending.filter((each) => each !== entry);
      },
    };
  }

  advance(nanoseconds: number): void {
    const end = this.#now + nanoseconds;
    for (;;) {
      const [due] = this.#pending
        .filter(({ deadline }) => deadline <= end)
        .sort((a, b) => a.deadline - b.deadline);
      if (due === undefined) break;
      this.#pending = this.#pending.filter((each) => each !== due);
      this.#now = Math.max(this.#now, due.deadline);
      due.callback();
    }
    this.#now = end;
  }
}

function makeApic(id = 0) {
  const clock = new ManualClock();
  const events: string[] = [];
  const output = {
    isHigh: false,
    set: (asserted: boolean) => {
      output.isHigh = asserted;
    },
  };
  const apic = new LocalApic({
    name: 'lapic',
    id,
    clock,
    tscHz: 1_000_000_000,
    output,
    onEoi: (vector) => events.push(`eoi ${vector}`),
    onNmi: () => events.push('nmi'),
    onInit: () => events.push('init'),
    onStartup: (vector) => events.push(`startup ${vector}`),
    onBaseChange: (address, isOpen) => events.push(`${address.toString(16)} ${isOpen}`),
  });
  const read = (offset: number): number => apic.mmioRead(offset, 4);
  const write = (offset: number, value: number): void => apic.mmioWrite(offset, 4, value);
  const enable = (): void => write(0xf0, 0x1ff);
  return { apic, clock, events, output, read, write, enable };
}

function message(vector: number, more: Partial<ApicMessage> = {}): ApicMessage {
  return {
    vector,
    deliveryMode: DELIVERY_MODE.FIXED,
    destination: 0,
    isLogical: false,
    isLevel: false,
    isAsserted: true,
    ...more,
  };
}

test('priorities: IRR, ISR, TPR and PPR', () => {
  const { apic, output, read, write, enable } = makeApic();
  enable();
  apic.deliver(message(0x41));
  apic.deliver(message(0x52));
  assert.equal(output.isHigh, true);
  assert.equal(apic.acknowledge(), 0x52);
  assert.equal(read(0xa0), 0x50);
  assert.equal(output.isHigh, false, '41h waits behind 52h');
  apic.deliver(message(0x5f));
  assert.equal(apic.pendingVector(), -1, 'the same class waits');
  write(0xb0, 0);
  assert.equal(apic.acknowledge(), 0x5f);
  write(0xb0, 0);
  write(0x80, 0x40);
  assert.equal(apic.pendingVector(), -1);
  apic.writeCr8(3);
  assert.equal(read(0x80), 0x30);
  assert.equal(apic.pendingVector(), 0x41);
  assert.equal(read(0x220) & (1 << 1), 1 << 1);
});

test('level interrupts tell the I/O APIC of their end', () => {
  const { apic, events, read, write, enable } = makeApic();
  enable();
  apic.deliver(message(0x61, { isLevel: true }));
  assert.equal(apic.acknowledge(), 0x61);
  assert.equal(read(0x180 + 0x30) & 2, 2, 'TMR');
  write(0xb0, 0);
  apic.deliver(message(0x61));
  apic.acknowledge();
  write(0xb0, 0);
  assert.deepEqual(events, ['eoi 97']);
});

test('software disable refuses new fixed interrupts and masks the LVT', () => {
  const { apic, events, read, write, enable } = makeApic();
  apic.deliver(message(0x61));
  assert.equal(apic.pendingVector(), -1);
  enable();
  write(0x320, 0x31);
  write(0xf0, 0xff);
  assert.equal(read(0x320), 0x1_0031);
  write(0x320, 0x31);
  assert.equal(read(0x320), 0x1_0031, 'stays masked');
  apic.deliver(message(0, { deliveryMode: DELIVERY_MODE.NMI }));
  assert.deepEqual(events, ['nmi']);
});

test('one-shot timer', () => {
  const { apic, clock, read, write, enable } = makeApic();
  enable();
  write(0x320, 0xee);
  write(0x3e0, 0x0b);
  write(0x380, 0x1_0000);
  clock.advance(0xfff0);
  assert.equal(apic.pendingVector(), -1);
  assert.equal(read(0x390), 0x10);
  clock.advance(0x10);
  assert.equal(apic.acknowledge(), 0xee);
  assert.equal(read(0x390), 0);
  clock.advance(1_000_000);
  assert.equal(apic.pendingVector(), -1);
});

test('a change of mode lets the counter go on', () => {
  const { clock, read, write, enable } = makeApic();
  const count = 0x99_9999;
  enable();
  write(0x3e0, 0x0b);
  write(0x320, 0x1_00ee);
  write(0x380, count);
  clock.advance(count * 0.75);
  write(0x320, 0x3_00ee);
  assert.ok(read(0x390) > 0 && read(0x390) < count / 2);
  clock.advance(count * 0.5);
  assert.ok(read(0x390) > count / 2, 'wrapped around');
  clock.advance(count * 0.5);
  write(0x320, 0x1_00ee);
  assert.ok(read(0x390) < count / 2);
  clock.advance(count);
  assert.equal(read(0x390), 0);
  write(0x320, 0x3_00ee);
  assert.equal(read(0x390), 0, 'a counter that stands still is not started');
  assert.equal(read(0x380), count);
});

test('periodic timer with a divider', () => {
  const { apic, clock, write, enable } = makeApic();
  let count = 0;
  enable();
  write(0x320, 0x2_0040);
  write(0x3e0, 0x03);
  write(0x380, 62_500);
  for (let i = 0; i < 100; i++) {
    clock.advance(100_000);
    if (apic.acknowledge() === 0x40) count++;
    write(0xb0, 0);
  }
  assert.equal(count, 10);
});

test('TSC deadline: in the past at once, in the future then', () => {
  const { apic, clock, write, enable } = makeApic();
  enable();
  assert.equal(apic.writeMsr(0x6e0, 5, 0), true);
  assert.deepEqual(apic.readMsr(0x6e0), { lo: 0, hi: 0 }, 'ignored in another mode');
  write(0x320, 0x4_00ef);
  apic.writeMsr(0x6e0, clock.now(), 0);
  assert.equal(apic.acknowledge(), 0xef);
  assert.deepEqual(apic.readMsr(0x6e0), { lo: 0, hi: 0 });
  write(0xb0, 0);
  const deadline = clock.now() + 500_000;
  apic.writeMsr(0x6e0, deadline, 0);
  assert.deepEqual(apic.readMsr(0x6e0), { lo: deadline, hi: 0 });
  clock.advance(499_999);
  assert.equal(apic.pendingVector(), -1);
  clock.advance(1);
  assert.equal(apic.pendingVector(), 0xef);
});

test('IA32_APIC_BASE allows the legal transitions only', () => {
  const { apic, events, read } = makeApic();
  const go = (bits: number, hi = 0): boolean => apic.writeMsr(0x1b, (BASE_LOW | bits) >>> 0, hi);
  const version = read(0x30);
  assert.deepEqual(apic.readMsr(0x1b), { lo: BASE_LOW + BSP + EN, hi: 0 });
  assert.equal(go(BSP | EXTD), false, 'xAPIC to invalid');
  assert.equal(go(BSP | EN | EXTD), true);
  assert.equal(read(0x30), 0xffff_ffff, 'no page in x2APIC mode');
  assert.equal(go(BSP | EN), false, 'x2APIC to xAPIC');
  assert.equal(go(BSP | EXTD), false);
  assert.equal(go(BSP), true);
  apic.writeCr8(9);
  assert.equal(apic.readCr8(), 9);
  assert.equal(read(0x80), 0xffff_ffff);
  assert.equal(go(BSP | EN | EXTD), false, 'disabled to x2APIC');
  assert.equal(go(BSP | EN), true);
  assert.equal(read(0x30), version);
  assert.equal(read(0x80), 0x90, 'TPR is CR8');
  assert.equal(go(BSP | EN | 1), false, 'reserved low bit');
  assert.equal(go(BSP | EN, 1 << 8), false, 'beyond MAXPHYADDR');
  events.length = 0;
  apic.writeMsr(0x1b, 0xfed4_0000 + BSP + EN, 0);
  assert.deepEqual(events, ['fed40000 true']);
});

test('interprocessor interrupts to itself', () => {
  const { apic, events, write, enable } = makeApic();
  enable();
  const self = 1 << 18;
  const all = 2 << 18;
  for (const low of [self | 0xf1, all | 0xf1, 0x4000 | 0xf1]) {
    write(0x310, 0);
    write(0x300, low);
    assert.equal(apic.acknowledge(), 0xf1);
    write(0xb0, 0);
  }
  write(0x310, 0xff00_0000);
  write(0x300, 0xf1);
  assert.equal(apic.acknowledge(), 0xf1, 'broadcast');
  write(0x310, 0x0100_0000);
  write(0x300, 0xf1);
  write(0x300, (3 << 18) | 0xf1);
  assert.equal(apic.pendingVector(), -1, 'for others');
  write(0x310, 0);
  write(0x300, DELIVERY_MODE.NMI << 8);
  write(0x300, 0x8500);
  write(0x300, 0x0611);
  assert.deepEqual(events, ['nmi', 'startup 17'], 'INIT level de-assert does nothing');
  write(0x300, 0xc500);
  assert.deepEqual(events.slice(2), ['init']);
});

test('x2APIC registers are MSRs that refuse what is reserved', () => {
  const { apic } = makeApic(5);
  assert.equal(apic.readMsr(0x802), undefined, 'not in xAPIC mode');
  apic.writeMsr(0x1b, BASE_LOW + EN + EXTD, 0);
  assert.deepEqual(apic.readMsr(0x802), { lo: 5, hi: 0 });
  assert.deepEqual(apic.readMsr(0x80d), { lo: 1 << 5, hi: 0 });
  assert.equal(apic.writeMsr(0x802, 6, 0), false);
  assert.equal(apic.writeMsr(0x80f, 0x1ff, 0), true);
  assert.equal(apic.writeMsr(0x80b, 1, 0), false);
  assert.equal(apic.writeMsr(0x808, 0x100, 0), false);
  assert.equal(apic.readMsr(0x80e), undefined, 'DFR');
  assert.equal(apic.readMsr(0x831), undefined, 'no high ICR');
  assert.equal(apic.readMsr(0x83f), undefined, 'write-only');
  assert.equal(apic.writeMsr(0x83f, 0x77, 0), true);
  assert.equal(apic.acknowledge(), 0x77);
  apic.writeMsr(0x80b, 0, 0);
  assert.equal(apic.writeMsr(0x830, 0x78, 5), true);
  assert.equal(apic.acknowledge(), 0x78);
  apic.writeMsr(0x80b, 0, 0);
  assert.equal(apic.writeMsr(0x830, 0x79, 0xffff_ffff), true);
  assert.equal(apic.acknowledge(), 0x79);
  apic.writeMsr(0x80b, 0, 0);
  apic.deliver(message(0x7a, { isLogical: true, destination: 1 << 5 }));
  assert.equal(apic.acknowledge(), 0x7a);
});

test('logical destinations, flat and clustered', () => {
  const { apic, write, enable } = makeApic(3);
  const isTaken = (destination: number): boolean => {
    apic.deliver(message(0x60, { isLogical: true, destination }));
    const taken = apic.acknowledge() === 0x60;
    write(0xb0, 0);
    return taken;
  };
  enable();
  write(0xd0, 0x0400_0000);
  assert.deepEqual([0x04, 0x0c, 0x08, 0xff].map(isTaken), [true, true, false, true]);
  write(0xe0, 0x0fff_ffff);
  write(0xd0, 0x2400_0000);
  assert.deepEqual([0x24, 0x14, 0x28, 0xf4].map(isTaken), [true, false, false, true]);
});

test('LINT0 passes the 8259 on', () => {
  const { apic, output, write, enable } = makeApic();
  assert.equal(apic.acceptsExtInt(), true, 'open after power-on');
  apic.setExtInt(true);
  assert.equal(output.isHigh, true);
  enable();
  write(0x350, 0x1_0700);
  assert.equal(output.isHigh, false);
  assert.equal(apic.acceptsExtInt(), false);
  apic.writeMsr(0x1b, BASE_LOW + BSP, 0);
  assert.equal(output.isHigh, true, 'past a disabled APIC');
});

test('error status is read in two phases', () => {
  const { apic, read, write, enable } = makeApic();
  enable();
  write(0x370, 0xfe);
  apic.deliver(message(5));
  assert.equal(read(0x280), 0);
  assert.equal(apic.acknowledge(), 0xfe);
  write(0xb0, 0);
  write(0x300, (1 << 18) | 3);
  write(0x280, 0);
  assert.equal(read(0x280), 0x60);
  write(0x280, 0);
  assert.equal(read(0x280), 0);
  assert.equal(read(0x3f4 & ~15), 0);
  write(0x280, 0);
  assert.equal(read(0x280), 0x80, 'illegal register');
});

test('state survives save, JSON, parse and restore; reset equals new', () => {
  const { apic, clock, write, enable } = makeApic();
  const fresh = JSON.stringify(apic.save());
  enable();
  write(0x320, 0x2_0040);
  write(0x380, 1_000_000);
  apic.deliver(message(0x99, { isLevel: true }));
  clock.advance(3_100_000);
  const saved = JSON.stringify(apic.save());
  const twin = makeApic();
  twin.apic.restore(twin.apic.schema.parse(JSON.parse(saved)));
  assert.equal(JSON.stringify(twin.apic.save()), saved);
  apic.reset();
  assert.equal(JSON.stringify(apic.save()), fresh);
});

test('random accesses never throw and answer with words', () => {
  const { apic, clock } = makeApic();
  let seed = 7;
  const random = (limit: number): number => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    return Math.floor((seed / 2 ** 32) * limit);
  };
  for (let i = 0; i < 20_000; i++) {
    const value = random(2) === 0 ? random(2 ** 32) : random(512);
    const isPage = random(2) === 0;
    if (isPage) apic.mmioWrite(random(256) << 4, 4, value);
    else apic.writeMsr(0x800 + random(64), value, random(3));
    const read = apic.mmioRead(random(1024) << 2, 4);
    assert.ok(read >= 0 && read < 2 ** 32 && Number.isInteger(read));
    const msr = apic.readMsr(0x800 + random(64));
    if (msr !== undefined) assert.ok(msr.lo >= 0 && msr.hi >= 0);
    if (random(50) === 0) apic.writeMsr(0x1b, BASE_LOW + [0, EN, EN + EXTD][random(3)]!, 0);
    if (random(10) === 0) clock.advance(random(100_000));
    apic.acknowledge();
    apic.schema.parse(JSON.parse(JSON.stringify(apic.save())));
  }
});
