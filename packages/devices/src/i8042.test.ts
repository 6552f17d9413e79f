import assert from 'node:assert/strict';
import { test } from 'node:test';
import { I8042 } from './i8042.ts';
import { TestLine, TestPio } from './test-support.ts';

function makeController() {
  const pio = new TestPio();
  const keyboardIrq = new TestLine();
  const mouseIrq = new TestLine();
  const a20: boolean[] = [];
  let resets = 0;
  const controller = new I8042({
    name: 'kbc',
    pio,
    keyboardIrq,
    mouseIrq,
    onA20: (isEnabled) => a20.push(isEnabled),
    onReset: () => {
      resets++;
    },
  });
  const drain = (): number[] => {
    const bytes: number[] = [];
    while ((pio.in8(0x64) & 1) !== 0) bytes.push(pio.in8(0x60));
    return bytes;
  };
  const toMouse = (...bytes: number[]): number[] => {
    for (const byte of bytes) {
      pio.out8(0x64, 0xd4);
      pio.out8(0x60, byte);
    }
    return drain();
  };
  return { controller, pio, keyboardIrq, mouseIrq, a20, resets: () => resets, drain, toMouse };
}

test('controller self test, interface tests and command byte', () => {
  const { pio, drain } = makeController();
  for (const [command, answer] of [
    [0xaa, 0x55],
    [0xab, 0x00],
    [0xa9, 0x00],
  ] as const) {
    pio.out8(0x64, command);
    assert.deepEqual(drain(), [answer]);
  }
  pio.out8(0x64, 0x60);
  pio.out8(0x60, 0x61);
  pio.out8(0x64, 0x20);
  assert.deepEqual(drain(), [0x61]);
});

test('keys arrive translated to set 1, each with its interrupt', () => {
  const { controller, drain, keyboardIrq } = makeController();
  controller.pressKey('KeyA', true);
  controller.pressKey('KeyA', false);
  controller.pressKey('ArrowUp', true);
  controller.pressKey('ArrowUp', false);
  assert.deepEqual(drain(), [0x1e, 0x9e, 0xe0, 0x48, 0xe0, 0xc8]);
  assert.equal(keyboardIrq.risingEdges, 6);
  assert.equal(keyboardIrq.isHigh, false);
  controller.pressKey('PrintScreen', true);
  controller.pressKey('Pause', true);
  assert.deepEqual(drain(), [0xe0, 0x2a, 0xe0, 0x37, 0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5]);
  assert.equal(controller.pressKey('Nonsense', true), false);
});

test('untranslated, the keyboard speaks set 2, or set 1 when told', () => {
  const { controller, pio, drain } = makeController();
  pio.out8(0x64, 0x60);
  pio.out8(0x60, 0x01);
  controller.pressKey('KeyA', true);
  controller.pressKey('KeyA', false);
  assert.deepEqual(drain(), [0x1c, 0xf0, 0x1c]);
  pio.out8(0x60, 0xf0);
  pio.out8(0x60, 0x01);
  assert.deepEqual(drain(), [0xfa, 0xfa]);
  controller.pressKey('KeyA', true);
  controller.pressKey('KeyA', false);
  assert.deepEqual(drain(), [0x1e, 0x9e]);
});

test('keyboard commands as drivers send them', () => {
  const { controller, pio, drain } = makeController();
  const send = (...bytes: number[]): number[] => {
    for (const byte of bytes) pio.out8(0x60, byte);
    return drain();
  };
  assert.deepEqual(send(0xff), [0xfa, 0xaa]);
  assert.deepEqual(send(0xf2), [0xfa, 0xab, 0x41], 'the id is translated too');
  assert.deepEqual(send(0xed, 0x02), [0xfa, 0xfa]);
  assert.equal(controller.leds, 2);
  assert.deepEqual(send(0xf3, 0x00), [0xfa, 0xfa]);
  assert.deepEqual(send(0xf5), [0xfa]);
  controller.pressKey('KeyA', true);
  assert.deepEqual(drain(), [], 'scanning is off');
  assert.deepEqual(send(0xf4), [0xfa]);
  assert.deepEqual(send(0xee), [0xee]);
  assert.deepEqual(send(0x42), [0xfe]);
});

test('a mouse with a wheel, after the knock', () => {
  const { controller, toMouse, drain, mouseIrq, pio } = makeController();
  assert.deepEqual(toMouse(0xff), [0xfa, 0xaa, 0x00]);
  assert.deepEqual(toMouse(0xf3, 200, 0xf3, 100, 0xf3, 80), [0xfa, 0xfa, 0xfa, 0xfa, 0xfa, 0xfa]);
  assert.deepEqual(toMouse(0xf2), [0xfa, 0x03]);
  controller.moveMouse(5, 5, 0, 0);
  assert.deepEqual(drain(), [], 'reporting is off');
  toMouse(0xf4);
  mouseIrq.risingEdges = 0;
  controller.moveMouse(10, 4, -1, 1);
  assert.equal(pio.in8(0x64) & 0x21, 0x21);
  assert.deepEqual(drain(), [0x29, 10, 0xfc, 0xff]);
  assert.equal(mouseIrq.risingEdges, 4);
  controller.moveMouse(300, 0, 0, 1);
  assert.deepEqual(drain(), [0x09, 255, 0, 0, 0x09, 45, 0, 0], 'far moves come in parts');
});

test('mouse status shows what was set', () => {
  const { toMouse } = makeController();
  toMouse(0xe8, 3, 0xf3, 40, 0xe7, 0xf4);
  assert.deepEqual(toMouse(0xe9), [0xfa, 0x30, 3, 40]);
});

test('the aux loopback that drivers use to find the port', () => {
  const { pio } = makeController();
  pio.out8(0x64, 0xd3);
  pio.out8(0x60, 0x5a);
  assert.equal(pio.in8(0x64) & 0x21, 0x21);
  assert.equal(pio.in8(0x60), 0x5a);
});

test('output port: A20 and reset', () => {
  const { pio, a20, resets, drain } = makeController();
  pio.out8(0x64, 0xd1);
  pio.out8(0x60, 0xdd);
  pio.out8(0x64, 0xd1);
  pio.out8(0x60, 0xdf);
  assert.deepEqual(a20, [false, true]);
  pio.out8(0x64, 0xd0);
  assert.equal((drain()[0] ?? 0) & 3, 3);
  pio.out8(0x64, 0xfe);
  assert.equal(resets(), 1);
});
