import { open, readFile } from 'node:fs/promises'

/** What disks and page caches fail to read together, bytes. */
const PAGE_BYTES = 4096

/** What can be read of a file: places that the disk does not give any more are zeros. @throws Error for all other faults */
export async function readableBytes(path: string): Promise<Buffer> {
  try {
    return await readFile(path)
  } catch (error) {
    mustBeOfTheDisk(error)
  }
  await using file = await open(path)
  const { size } = await file.stat()
  const bytes = Buffer.alloc(size)
  for (let at = 0; at < size; at += PAGE_BYTES) {
    await file.read(bytes, at, Math.min(PAGE_BYTES, size - at), at).catch(mustBeOfTheDisk)
  }
  return bytes
}

function mustBeOfTheDisk(error: unknown): void {
  if ((error as NodeJS.ErrnoException).code !== 'EIO') throw error
}
