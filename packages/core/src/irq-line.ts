/**
 * One interrupt wire. Devices call `set` with the level they drive; setting it twice is harmless.
 */
export interface IrqLine {
  set(asserted: boolean): void;
}
