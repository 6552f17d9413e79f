import { maxPhysMask, setPdpte } from '../generated/layout';
import { GP, raise } from '../fault';
import { physicalRead } from '../memory';

/**
 * PAE paging latches the four page-directory-pointer entries when CR3 is loaded or the mode begins;
 * a present one with a reserved bit set is #GP(0) then, and none is taken. [SDM] vol. 3A §4.4.1.
 */
export function loadPageDirectoryPointers(root: u64): bool {
  const reserved = ~maxPhysMask() | 0x1e6;
  const first = root & 0xffff_ffe0;
  for (let index: u32 = 0; index < 4; index++) {
    const entry = physicalRead(first + index * 8, 8);
    if ((entry & 1) != 0 && (entry & reserved) != 0) {
      raise(GP, 0);
      return false;
    }
  }
  for (let index: u32 = 0; index < 4; index++) {
    setPdpte(index, physicalRead(first + index * 8, 8));
  }
  return true;
}
