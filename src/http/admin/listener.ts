import { ADMIN_PREFIX } from '../../admin/request.ts'
import type { App } from '../app.ts'

/** Serves both on one listener: paths below /api/v1/ go to the admin API. Only if a setting explicitly says so. */
export function withAdmin(app: App, admin: App): App {
  return {
    callback() {
      const [answer, answerAdmin] = [app.callback(), admin.callback()]
      return (request, response) =>
        request.url?.startsWith(`${ADMIN_PREFIX}/`) === true
          ? answerAdmin(request, response)
          : answer(request, response)
    },
    connected: app.connected,
  }
}
