import { open, readFile } from 'node:fs/promises'

/** Bytes that disks and page caches read, and fail to read, as a unit. */
const PAGE_BYTES = 4096

/** Reads a file, with zeros for pages that the disk can no longer read. @throws Error for all other faults */
export async function readableBytes(path: string): Promise<Buffer> {
  try {
    return await readFile(path)
  } catch (error) {
    mustBeDiskError(error)
  }
  await using file = await open(path)
  const { size } = await file.stat()
  const bytes = Buffer.alloc(size)
  for (let at = 0; at < size; at += PAGE_BYTES) {
    await file.read(bytes, at, Math.min(PAGE_BYTES, size - at), at).catch(mustBeDiskError)
  }
  return bytes
}

function mustBeDiskError(error: unknown): void {
  if ((error as NodeJS.ErrnoException).code !== 'EIO') throw error
}
