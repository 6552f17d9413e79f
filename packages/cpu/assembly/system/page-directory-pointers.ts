import { maxPhysMask } from '../generated/layout';
import { GP, raise } from '../fault';
import { physicalToHost } from '../memory';

/**
 * PAE paging reads the four page-directory-pointer entries when CR3 is loaded or the mode begins; a
 * present one with a reserved bit set is #GP(0) then. [SDM] vol. 3A §4.4.1.
 */
export function checkPageDirectoryPointers(root: u64): bool {
  const reserved = ~maxPhysMask() | 0x1e6;
  const host = physicalToHost(root & 0xffff_ffe0);
  // What is no memory holds no present entry that could be wrong.
  if (host == 0) return true;
  for (let index: u32 = 0; index < 4; index++) {
    const entry = load<u64>(host + index * 8);
    if ((entry & 1) != 0 && (entry & reserved) != 0) {
      raise(GP, 0);
      return false;
    }
  }
  return true;
}
