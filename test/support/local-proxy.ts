import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect, type AddressInfo } from 'node:net'

/** An HTTP proxy that resolves all names to this machine. */
export interface LocalProxy {
  readonly url: string
  /** The places that it was asked for, `HOST:PORT`, in order. */
  readonly asked: string[]
  close(): void
}

export async function startLocalProxy(): Promise<LocalProxy> {
  const asked: string[] = []
  const proxy = createServer().on('connect', ({ url = '' }, client) => {
    asked.push(url)
    const server = connect(Number(url.split(':').at(-1)), 'localhost', () => {
      client.write('HTTP/1.1 200 OK\r\n\r\n')
      server.pipe(client).pipe(server)
    })
    server.on('error', () => client.destroy())
    client.on('error', () => server.destroy())
  })
  await once(proxy.listen(0, '127.0.0.1'), 'listening')
  return { url: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`, asked, close: () => proxy.close() }
}
