import type { Settings } from './schema.ts'

/** True if anything listens with TLS: the admin listener always does. */
export function usesTls({ listen, admin }: Pick<Settings, 'listen' | 'admin'>): boolean {
  return listen.plainHttp === undefined || admin.listen !== undefined
}
