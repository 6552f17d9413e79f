// The definition block of our PC: what an operating system cannot find out by itself.

import * as aml from './aml.ts';
import { PLATFORM } from './platform.ts';
import * as crs from './resources.ts';

const PIN_COUNT = 4;
/** ISA interrupts that PCI interrupts may be routed to. */
const LINK_CHOICES = [5, 10, 11] as const;
const LINKS = ['LNKA', 'LNKB', 'LNKC', 'LNKD'] as const;
const ROUTES = ['PRQ0', 'PRQ1', 'PRQ2', 'PRQ3'] as const;
/** Bit of a PIRQ route control register that turns the route off. [PIIX3] §2.2.5. */
const ROUTE_DISABLED = 0x80;
const STATUS = { PRESENT_DISABLED: 0x09, ENABLED: 0x0b, ALL: 0x0f } as const;
const SOFT_OFF_TYPE = 0;

/** What a board has that others lack. */
export interface BoardFacts {
  readonly hasFloppy: boolean;
}

/** The terms of the DSDT. */
export function dsdtTerms(board: BoardFacts): aml.Aml {
  return [
    // 0 with the 8259 pair, 1 with the I/O APIC: the operating system says which it uses.
    aml.define('\\PICF', aml.integer(0)),
    aml.method('\\_PIC', 1, [aml.store(aml.arg0, aml.name('\\PICF'))]),
    aml.define('\\_S5', aml.packageOf([SOFT_OFF_TYPE, SOFT_OFF_TYPE, 0, 0].map(aml.integer))),
    aml.scope('\\_SB', [processor(), pciRoot(board), ...LINKS.map(linkDevice)]),
  ].flat();
}

function processor(): aml.Aml {
  return aml.device('CPU0', [
    aml.define('_HID', aml.string('ACPI0007')),
    aml.define('_UID', aml.integer(0)),
  ]);
}

function pciRoot(board: BoardFacts): aml.Aml {
  return aml.device('PCI0', [
    aml.define('_HID', aml.eisaId('PNP0A03')),
    aml.define('_UID', aml.integer(0)),
    aml.define('_CRS', rootResources()),
    aml.define('RTPI', routingTable(viaLink)),
    aml.define('RTAP', routingTable(viaPin)),
    aml.method('_PRT', 0, [
      aml.ifElse(aml.name('\\PICF'), [aml.returnValue(aml.name('RTAP'))]),
      aml.returnValue(aml.name('RTPI')),
    ]),
    aml.device('PX13', [aml.define('_ADR', aml.integer(0x0001_0003))]),
    isaBridge(board),
  ]);
}

function rootResources(): aml.Aml {
  const configuration = { first: 0xcf8, count: 8 };
  return crs.resources([
    crs.busNumbers(0, 0xff),
    crs.ioPorts(configuration.first, configuration.count),
    crs.ioWindow(0, configuration.first - 1),
    crs.ioWindow(configuration.first + configuration.count, 0xffff),
    crs.memoryWindow(PLATFORM.VIDEO_BASE, PLATFORM.ROM_BASE - 1, true),
    crs.memoryWindow(PLATFORM.PCI_MEMORY_BASE, PLATFORM.PCI_MEMORY_END - 1, false),
  ]);
}

/** One entry per slot and pin. [ACPI] §6.2.13, "_PRT". */
function routingTable(target: (pirq: number) => readonly aml.Aml[]): aml.Aml {
  const entries = [];
  for (let slot = 0; slot < PLATFORM.PCI_SLOTS; slot += 1) {
    for (let pin = 0; pin < PIN_COUNT; pin += 1) {
      const address = aml.integer(((slot << 16) | 0xffff) >>> 0);
      // How the board wires the slots; PIIX3 numbers its inputs from slot 1 on.
      const pirq = (slot + pin - 1) & 3;
      entries.push(aml.packageOf([address, aml.integer(pin), ...target(pirq)]));
    }
  }
  return aml.packageOf(entries);
}

function viaLink(pirq: number): readonly aml.Aml[] {
  return [aml.name(`\\_SB.${LINKS[pirq] as string}`), aml.integer(0)];
}

function viaPin(pirq: number): readonly aml.Aml[] {
  return [aml.integer(0), aml.integer(PLATFORM.PIRQ_PIN + pirq)];
}

/** A PIRQ line, which the operating system may route to an ISA interrupt. [ACPI] §6.2.13. */
function linkDevice(path: string, index: number): aml.Aml {
  const route = aml.name(`\\_SB.PCI0.ISA.${ROUTES[index] as string}`);
  const disabled = aml.integer(ROUTE_DISABLED);
  return aml.device(path, [
    aml.define('_HID', aml.eisaId('PNP0C0F')),
    aml.define('_UID', aml.integer(index)),
    aml.define('_PRS', crs.resources([crs.sharedInterrupts(LINK_CHOICES)])),
    aml.method('_STA', 0, [
      aml.ifElse(aml.and(route, disabled), [aml.returnValue(aml.integer(STATUS.PRESENT_DISABLED))]),
      aml.returnValue(aml.integer(STATUS.ENABLED)),
    ]),
    aml.method('_DIS', 0, [aml.store(aml.or(route, disabled), route)]),
    aml.define('BUFF', crs.resources([crs.sharedInterrupts([0])])),
    aml.method('_CRS', 0, [
      aml.createDwordField(aml.name('BUFF'), crs.INTERRUPT_NUMBER_OFFSET, 'BIRQ'),
      aml.ifElse(
        aml.and(route, disabled),
        [aml.store(aml.integer(0), aml.name('BIRQ'))],
        [aml.store(aml.and(route, aml.integer(0x0f)), aml.name('BIRQ'))],
      ),
      aml.returnValue(aml.name('BUFF')),
    ]),
    aml.method('_SRS', 1, [
      aml.createDwordField(aml.arg0, crs.INTERRUPT_NUMBER_OFFSET, 'SIRQ'),
      aml.store(aml.name('SIRQ'), route),
    ]),
  ]);
}

function isaBridge(board: BoardFacts): aml.Aml {
  return aml.device('ISA', [
    aml.define('_ADR', aml.integer(0x0001_0000)),
    aml.operationRegion('PIRQ', aml.REGION_SPACE.PCI_CONFIG, 0x60, PIN_COUNT),
    aml.byteFields('PIRQ', ROUTES),
    ...isaDevices(),
    ...(board.hasFloppy ? [floppyController()] : []),
  ]);
}

function isaDevices(): aml.Aml[] {
  const { ioPorts, isaInterrupt } = crs;
  return [
    isaDevice('RTC', 'PNP0B00', [ioPorts(0x70, 8), isaInterrupt(8)]),
    isaDevice('TIMR', 'PNP0100', [ioPorts(0x40, 4), isaInterrupt(0)]),
    isaDevice('SPKR', 'PNP0800', [ioPorts(0x61, 1)]),
    isaDevice('PIC', 'PNP0000', [
      ioPorts(0x20, 2),
      ioPorts(0xa0, 2),
      ioPorts(0x4d0, 2),
      isaInterrupt(2),
    ]),
    isaDevice('DMAC', 'PNP0200', [
      ioPorts(0x00, 16),
      ioPorts(0x81, 15),
      ioPorts(0xc0, 32),
      crs.dmaChannel(4),
    ]),
    isaDevice('KBD', 'PNP0303', [ioPorts(0x60, 1), ioPorts(0x64, 1), isaInterrupt(1)]),
    isaDevice('MOU', 'PNP0F13', [isaInterrupt(12)]),
    serialPort('COM1', 1, 0x3f8, 4),
    serialPort('COM2', 2, 0x2f8, 3),
    isaDevice('HPET', 'PNP0103', [crs.fixedMemory(PLATFORM.HPET, 0x400)]),
    // What belongs to the board itself, so that nothing else is put there.
    isaDevice('MBRD', 'PNP0C02', [
      ioPorts(PLATFORM.ACPI_PORTS, 0x40),
      ioPorts(PLATFORM.SMBUS_PORTS, 0x10),
      ioPorts(PLATFORM.SMI_PORT, 2),
      ioPorts(0x80, 1),
      ioPorts(0x92, 1),
    ]),
  ];
}

function floppyController(): aml.Aml {
  const { ioPorts, isaInterrupt, dmaChannel } = crs;
  const ports = [ioPorts(0x3f2, 4), ioPorts(0x3f7, 1)];
  return isaDevice('FDC0', 'PNP0700', [...ports, isaInterrupt(6), dmaChannel(2)]);
}

function isaDevice(path: string, id: string, list: readonly crs.Resource[]): aml.Aml {
  return aml.device(path, [
    aml.define('_HID', aml.eisaId(id)),
    aml.define('_STA', aml.integer(STATUS.ALL)),
    aml.define('_CRS', crs.resources(list)),
  ]);
}

function serialPort(path: string, id: number, firstPort: number, irq: number): aml.Aml {
  return aml.device(path, [
    aml.define('_HID', aml.eisaId('PNP0501')),
    aml.define('_UID', aml.integer(id)),
    aml.define('_STA', aml.integer(STATUS.ALL)),
    aml.define('_CRS', crs.resources([crs.ioPorts(firstPort, 8), crs.isaInterrupt(irq)])),
  ]);
}
