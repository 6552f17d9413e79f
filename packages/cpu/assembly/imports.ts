// What the runtime asks of JavaScript. 64-bit values pass in halves: a BigInt costs three calls.

/** Guest-physical read that hit no memory; `size` is 1, 2 or 4. */
@external("env", "mmioRead") export declare function mmioRead(lo: u32, hi: u32, size: u32): u32;
@external("env", "mmioWrite") export declare function mmioWrite(lo: u32, hi: u32, size: u32, value: u32): void;
@external("env", "ioRead") export declare function ioRead(port: u32, size: u32): u32;
@external("env", "ioWrite") export declare function ioWrite(port: u32, size: u32, value: u32): void;
/** Vector from the local APIC or the 8259, or -1. */
@external("env", "acknowledgeInterrupt") export declare function acknowledgeInterrupt(): i32;
/** Time stamp counter, from the machine's clock, in state.msrValue. */
@external("env", "readTsc") export declare function readTsc(): void;
/** MSR of the local APIC: value through state.msrValue; 0 = #GP. */
@external("env", "readApicMsr") export declare function readApicMsr(index: u32): u32;
@external("env", "writeApicMsr") export declare function writeApicMsr(index: u32): u32;
@external("env", "readCr8") export declare function readCr8(): u32;
@external("env", "writeCr8") export declare function writeCr8(value: u32): void;
@external("env", "random32") export declare function random32(): u32;
/** CPUID: reads EAX and ECX from the state, writes EAX EBX ECX EDX there. */
@external("env", "cpuid") export declare function cpuid(): void;
/** Decoded code of host page `page` overlapping bytes [first, last] is gone. */
@external("env", "codeInvalidated") export declare function codeInvalidated(page: u32, first: u32, last: u32): void;
