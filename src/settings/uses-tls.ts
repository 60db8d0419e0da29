import type { Settings } from './schema.ts'

/** True if something listens with TLS: the admin API has no plain HTTP. */
export function usesTls({ listen, admin }: Pick<Settings, 'listen' | 'admin'>): boolean {
  return listen.plainHttp === undefined || admin.listen !== undefined
}
