import type { DebianArchitecture } from './debian.ts';

/** One file that a recipe takes out of a package. */
interface FetchedFile {
  /** Name in the set's folder. */
  readonly name: string;
  /** Path in the package, as a tar pattern that matches one file. */
  readonly member: string;
}

interface Source {
  readonly architecture: DebianArchitecture;
  /** The package, or a metapackage that stands for the newest one of the family. */
  readonly package: string;
  /** Set for metapackages: how the real package's name begins. */
  readonly dependency?: string;
  readonly files: readonly FetchedFile[];
  /** Name in the set's folder of an archive of the kernel's drivers. */
  readonly modules?: string;
}

/** A folder of the cache: files out of packages and, with a busybox, an initramfs. */
export interface Recipe {
  readonly sources: readonly Source[];
  readonly hasInitramfs: boolean;
}

const kernel = (name: string, member: string): FetchedFile => ({ name, member });
const BUSYBOX: FetchedFile = { name: 'busybox', member: './bin/busybox' };

/** Shared libraries of a package, under the names that programs ask for. */
const libraries = (packageName: string, ...names: readonly string[]): Source => ({
  architecture: 'amd64',
  package: packageName,
  files: names.map((name) => ({ name, member: `./usr/lib/x86_64-linux-gnu/${name}.*` })),
});

export const RECIPES = {
  amd64: {
    sources: [
      {
        architecture: 'amd64',
        package: 'linux-image-amd64',
        dependency: 'linux-image-',
        files: [kernel('vmlinuz-amd64', './boot/vmlinuz-*')],
        modules: 'modules-amd64.cpio',
      },
      { architecture: 'amd64', package: 'busybox-static', files: [BUSYBOX] },
    ],
    hasInitramfs: true,
  },
  i386: {
    sources: [
      {
        architecture: 'i386',
        package: 'linux-image-686',
        dependency: 'linux-image-',
        files: [kernel('vmlinuz-686', './boot/vmlinuz-*')],
        modules: 'modules-686.cpio',
      },
      {
        architecture: 'i386',
        package: 'linux-image-686-pae',
        dependency: 'linux-image-',
        files: [kernel('vmlinuz-686-pae', './boot/vmlinuz-*')],
        modules: 'modules-686-pae.cpio',
      },
      { architecture: 'i386', package: 'busybox-static', files: [BUSYBOX] },
    ],
    hasInitramfs: true,
  },
  firmware: {
    sources: [
      {
        architecture: 'amd64',
        package: 'seabios',
        files: [
          { name: 'bios-256k.bin', member: './usr/share/seabios/bios-256k.bin' },
          { name: 'vgabios-stdvga.bin', member: './usr/share/seabios/vgabios-stdvga.bin' },
        ],
      },
    ],
    hasInitramfs: false,
  },
  // Not for a guest: what tests of ours judge by.
  tools: {
    sources: [
      {
        architecture: 'amd64',
        package: 'acpica-tools',
        files: [{ name: 'iasl', member: './usr/bin/iasl' }],
      },
    ],
    hasInitramfs: false,
  },
  // QEMU's and libvhdi's programs for disk images, with the libraries that they need.
  'disk-tools': {
    sources: [
      {
        architecture: 'amd64',
        package: 'qemu-utils',
        files: [{ name: 'qemu-img', member: './usr/bin/qemu-img' }],
      },
      libraries('libvhdi1', 'libvhdi.so.1'),
      libraries('libaio1', 'libaio.so.1'),
      libraries('libffi8', 'libffi.so.8'),
      libraries('libglib2.0-0', 'libglib-2.0.so.0', 'libgmodule-2.0.so.0'),
      libraries('libgmp10', 'libgmp.so.10'),
      libraries('libgnutls30', 'libgnutls.so.30'),
      libraries('libhogweed6', 'libhogweed.so.6'),
      libraries('libidn2-0', 'libidn2.so.0'),
      libraries('libnettle8', 'libnettle.so.8'),
      libraries('libnuma1', 'libnuma.so.1'),
      libraries('libp11-kit0', 'libp11-kit.so.0'),
      libraries('libpcre2-8-0', 'libpcre2-8.so.0'),
      libraries('libtasn1-6', 'libtasn1.so.6'),
      libraries('libunistring2', 'libunistring.so.2'),
      libraries('liburing2', 'liburing.so.2'),
      libraries('libzstd1', 'libzstd.so.1'),
      {
        architecture: 'amd64',
        package: 'zlib1g',
        files: [{ name: 'libz.so.1', member: './lib/x86_64-linux-gnu/libz.so.1.*' }],
      },
    ],
    hasInitramfs: false,
  },
} as const satisfies Record<string, Recipe>;

/** Name of a folder of guest files. */
export type GuestSet = keyof typeof RECIPES;
export const GUEST_SETS = Object.keys(RECIPES) as readonly GuestSet[];
