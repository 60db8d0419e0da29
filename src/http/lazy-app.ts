import type { RequestListener } from 'node:http'
import type { App } from './app.ts'

/** An application that is loaded when it is first asked: the admin API is not, in most starts. */
export function lazyApp(load: () => Promise<App>): App {
  let loaded: Promise<RequestListener> | undefined
  return {
    callback: () => (request, response) => {
      loaded ??= load().then((app) => app.callback())
      void loaded.then((answer) => answer(request, response))
    },
  }
}
