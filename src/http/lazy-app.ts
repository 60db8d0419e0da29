import type { RequestListener } from 'node:http'
import { told } from './admin/log.ts'
import type { App } from './app.ts'

/**
 * The admin API, loaded when it is first asked: in most starts it is not.
 *
 * @param failed told why it could not be loaded: there were no descriptors left, say. The next request tries again.
 */
export function lazyApp(load: () => Promise<App>, failed: (error: unknown) => void): App {
  let loaded: Promise<RequestListener> | undefined
  return {
    callback: () => (request, response) => {
      loaded ??= load().then((app) => app.callback())
      loaded.then(
        (answer) => answer(request, response),
        (error: unknown) => {
          loaded = undefined
          failed(error)
          response.writeHead(500, { 'Content-Type': 'application/json' }).end(JSON.stringify({ error: told(error) }))
        },
      )
    },
  }
}
