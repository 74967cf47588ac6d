/**
 * The differentiated description of our PC: one PCI root, PIIX3 link devices, ISA devices, processors, sleep states.
 * Spec: ACPI 6.5 sections 5.2.11, 6.2.13 (_PRT) and 7.4; Intel 82371SB (PIIX3) section 2.2.8, PIRQRC registers.
 */

import { join } from '../bytes.ts';
import type { Platform } from '../platform.ts';
import { linkOf, PIRQ_CHOICES, ROUTER } from '../routing.ts';
import {
  type Aml,
  and,
  arg,
  bridgeWindow,
  byteFields,
  call,
  device,
  dwordField,
  eisaId,
  give,
  integer,
  ioPorts,
  isaIrq,
  list,
  local,
  method,
  name,
  or,
  region,
  resources,
  scope,
  sharedInterrupts,
  store,
  text,
  when,
} from './aml.ts';

const LINKS = ['LNKA', 'LNKB', 'LNKC', 'LNKD'] as const;
const ROUTES = ['PRQA', 'PRQB', 'PRQC', 'PRQD'] as const;
/** Bit 7 of a PIRQRC register switches the route off; bits 0-3 name the ISA interrupt. */
const ROUTE_OFF = 0x80;
const PRESENT = 0x0f;
const PRESENT_BUT_OFF = 0x0d;
/** The PM function's interrupt is wired to IRQ 9, whatever the link devices say. */
const SCI_GSI = 9;

const word = (slot: number) => integer(BigInt(slot) * 0x10000n + 0xffffn);

/** As `linkOf` says, for every slot; the PM function is no link's. */
function routingTable(): Aml {
  const entries: Aml[] = [];
  for (let slot = 1; slot < 32; slot++) {
    for (let pin = 0; pin < 4; pin++) {
      const wired = linkOf(slot, pin);
      if (wired === 0) entries.push(list(word(slot), integer(pin), integer(0), integer(SCI_GSI)));
      else entries.push(list(word(slot), integer(pin), call(`\\_SB.${LINKS[wired - ROUTER.pirqA]}`), integer(0)));
    }
  }
  return list(...entries);
}

/** One PCI interrupt link: which ISA interrupt a PIRQ line reaches, as the operating system may choose it. */
function link(index: number, choices: readonly number[]): Aml {
  const route = `\\_SB.PCI0.ISA.${ROUTES[index]}`;
  return device(
    LINKS[index] ?? 'LNKA',
    name('_HID', eisaId('PNP0C0F')),
    name('_UID', integer(index)),
    name('_PRS', resources(sharedInterrupts(...choices))),
    method('_STA', 0, when(and(call(route), integer(ROUTE_OFF)), give(integer(PRESENT_BUT_OFF))), give(integer(PRESENT))),
    method('_DIS', 0, store(or(call(route), integer(ROUTE_OFF)), call(route))),
    method(
      '_CRS',
      0,
      store(resources(sharedInterrupts(0)), local(0)),
      dwordField(local(0), 5, 'GSI_'),
      store(and(call(route), integer(0x0f)), call('GSI_')),
      give(local(0)),
    ),
    method('_SRS', 1, dwordField(arg(0), 5, 'GSI_'), store(call('GSI_'), call(route))),
  );
}

const isaDevice = (at: string, id: string, ...rest: readonly Aml[]): Aml => device(at, name('_HID', eisaId(id)), ...rest);

function serialPort(port: Platform['serial'][number], index: number): Aml {
  return isaDevice(
    `COM${index + 1}`,
    'PNP0501',
    name('_UID', integer(index + 1)),
    name('_STA', integer(PRESENT)),
    name('_CRS', resources(ioPorts(port.port, 8), isaIrq(port.irq))),
  );
}

function isaBridge(platform: Platform): Aml {
  return device(
    'ISA_',
    name('_ADR', integer(0x00010000)),
    region('PIRQ', { space: 'pci', offset: 0x60, size: 4 }),
    byteFields('PIRQ', ROUTES),
    isaDevice('RTC_', 'PNP0B00', name('_CRS', resources(ioPorts(0x70, 2), isaIrq(8)))),
    isaDevice(
      'KBD_',
      'PNP0303',
      name('_STA', integer(PRESENT)),
      name('_CRS', resources(ioPorts(0x60, 1), ioPorts(0x64, 1), isaIrq(1))),
    ),
    isaDevice('MOU_', 'PNP0F13', name('_STA', integer(PRESENT)), name('_CRS', resources(isaIrq(12)))),
    ...platform.serial.map(serialPort),
    isaDevice('LPT_', 'PNP0400', name('_STA', integer(PRESENT)), name('_CRS', resources(ioPorts(0x378, 3), isaIrq(7)))),
    isaDevice('PIC_', 'PNP0000', name('_CRS', resources(ioPorts(0x20, 2), ioPorts(0xa0, 2), ioPorts(0x4d0, 2), isaIrq(2)))),
    isaDevice('TMR_', 'PNP0100', name('_CRS', resources(ioPorts(0x40, 4), isaIrq(0)))),
    isaDevice('SPKR', 'PNP0800', name('_CRS', resources(ioPorts(0x61, 1)))),
    device(
      'FWCF',
      name('_HID', text('QEMU0002')), // the id under which operating systems know this device
      name('_STA', integer(0x0b)),
      name('_CRS', resources(ioPorts(0x510, 12))),
    ),
    // Ports of the chip set that no driver may claim: PM block, SMBus stub, reset register.
    isaDevice('PMIO', 'PNP0C02', name('_CRS', resources(ioPorts(platform.pmBase, 64), ioPorts(0xb2, 2)))),
  );
}

function pciRoot(platform: Platform): Aml {
  return device(
    'PCI0',
    name('_HID', eisaId('PNP0A03')),
    name('_UID', integer(0)),
    name(
      '_CRS',
      resources(
        bridgeWindow('bus', 0, 0xff),
        ioPorts(0xcf8, 8),
        bridgeWindow('io', 0, 0xcf7),
        bridgeWindow('io', 0xd00, 0xffff),
        bridgeWindow('memory', 0xa0000, 0xbffff),
        bridgeWindow('memory', platform.pciWindow.start, platform.pciWindow.end - 1),
      ),
    ),
    name('_PRT', routingTable()),
    isaBridge(platform),
  );
}

/** Processor `index`, matched with its MADT entry by _UID. */
const processor = (index: number): Aml =>
  device(
    `C${index.toString(16).toUpperCase().padStart(3, '0')}`,
    name('_HID', text('ACPI0007')),
    name('_UID', integer(index)),
    name('_STA', integer(PRESENT)),
  );

/** Everything below the DSDT's header. S5 is SUS_TYP 0 of the PM function (PIIX4, PMCNTRL). */
export function dsdtBody(platform: Platform): Uint8Array {
  const cpus = Array.from({ length: platform.cpus }, (_, index) => processor(index));
  return join(
    scope('\\_SB', pciRoot(platform), ...LINKS.map((_, index) => link(index, PIRQ_CHOICES)), ...cpus),
    name('\\_S5', list(integer(0), integer(0), integer(0), integer(0))),
  );
}
