import { subscribe, unsubscribe } from 'node:diagnostics_channel'

/** @returns how many requests Node's HTTP server read during the work */
export async function readByNode(work: () => Promise<void>): Promise<number> {
  let count = 0
  const seen = (): void => {
    count += 1
  }
  subscribe('http.server.request.start', seen)
  await work()
  unsubscribe('http.server.request.start', seen)
  return count
}
