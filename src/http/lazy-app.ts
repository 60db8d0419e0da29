import type { RequestListener } from 'node:http'
import { errorForAdmin } from './admin/log.ts'
import type { App } from './app.ts'

/**
 * Loads the admin API at its first request: most processes never get one.
 *
 * @param failed receives the reason if loading fails, for example for lack of descriptors. The next request tries again.
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
          response
            .writeHead(500, { 'Content-Type': 'application/json' })
            .end(JSON.stringify({ error: errorForAdmin(error) }))
        },
      )
    },
  }
}
