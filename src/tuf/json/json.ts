/** A parsed JSON value. Numbers are safe integers. Objects inherit nothing, so `__proto__` is a member like any other. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject

export interface JsonObject {
  readonly [name: string]: Json
}
