/** Numbers from a seed, the same on every run. */
export class Chance {
  #state: bigint;

  constructor(seed: number) {
    this.#state = BigInt(seed);
  }
  bits64(): bigint {
    this.#state = BigInt.asUintN(64, this.#state * 6364136223846793005n + 1442695040888963407n);
    const mixed = BigInt.asUintN(64, (this.#state ^ (this.#state >> 33n)) * 0xff51afd7ed558ccdn);
    return mixed ^ (mixed >> 29n);
  }
  below(limit: number): number {
    return Number((this.bits64() >> 11n) % BigInt(limit));
  }
  pick<T>(list: readonly [T, ...T[]]): T {
    return list[this.below(list.length)] ?? list[0];
  }
  /** 64 bits in lanes, edges of their ranges among them. */
  lanes(): bigint {
    if (this.below(3) !== 0) return this.bits64();
    const bits = this.pick([8, 16, 32, 64]);
    const top = 1n << BigInt(bits);
    let value = 0n;
    for (let at = 0; at < 64; at += bits) {
      const small = BigInt(this.below(bits + 2));
      const edge = this.pick([
        0n,
        1n,
        top - 1n,
        top / 2n,
        top / 2n - 1n,
        small,
        this.bits64() % top,
      ]);
      value = (value << BigInt(bits)) | edge;
    }
    return value;
  }
}
