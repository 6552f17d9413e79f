/** Port of the debug console, and of the device that ends the machine. */
const CONSOLE_PORT = 0x402;
const EXIT_PORT = 0xf4;
const LOAD_ADDRESS = 0x7c00;
const MESSAGE_OFFSET = 0x80;

/**
 * A boot sector that reads the sector behind it through the firmware (INT 13h AH=42h when
 * `blockBytes` is given, AH=02h otherwise), writes the text there to the debug console and ends the
 * machine with status 2N+1. [SEABIOS]
 */
export function bootSector(options: { exitValue: number; blockBytes?: number }): Uint8Array {
  const { exitValue, blockBytes } = options;
  const target = 0x7e00;
  const packet = LOAD_ADDRESS + 0x100;
  const read =
    blockBytes === undefined
      ? // mov ax, 0201h; mov bx, target; mov cx, 2; xor dh, dh; int 13h: sector 2 of track 0.
        [0xb8, 0x01, 0x02, 0xbb, ...word(target), 0xb9, 0x02, 0x00, 0x30, 0xf6, 0xcd, 0x13]
      : // mov ah, 42h; mov si, packet; int 13h.
        [0xb4, 0x42, 0xbe, ...word(packet), 0xcd, 0x13];
  const code = [
    // xor ax, ax; mov ds, ax; mov es, ax; mov ss, ax; mov sp, 7c00h.
    ...[0x31, 0xc0, 0x8e, 0xd8, 0x8e, 0xc0, 0x8e, 0xd0, 0xbc, ...word(LOAD_ADDRESS)],
    ...read,
    // mov si, target; jnc +3; mov si, message
    ...[0xbe, ...word(target), 0x73, 0x03, 0xbe, ...word(LOAD_ADDRESS + MESSAGE_OFFSET)],
    // mov dx, port; next: lodsb; test al, al; jz +3; out dx, al; jmp next
    ...[0xba, ...word(CONSOLE_PORT), 0xac, 0x84, 0xc0, 0x74, 0x03, 0xee, 0xeb, 0xf8],
    // mov al, value; out port, al; hlt
    ...[0xb0, exitValue, 0xe6, EXIT_PORT, 0xf4],
  ];
  const sector = new Uint8Array(512);
  sector.set(code);
  sector.set(Buffer.from('The firmware cannot read\n\0'), MESSAGE_OFFSET);
  // Disk address packet: 16 bytes, one block, to 0:target, block 1.
  sector.set([0x10, 0, 1, 0, ...word(target), 0, 0, (blockBytes ?? 0) === 0 ? 0 : 1], 0x100);
  sector.set([0x55, 0xaa], 510);
  return sector;
}

function word(value: number): number[] {
  return [value & 0xff, value >> 8];
}
