import { ADMIN_PREFIX } from '../../admin/request.ts'
import type { App } from '../app.ts'

/** Both on one listener: what begins with /api/v1/ is for the admin API. Only if a setting says so in words. */
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
