/** A parsed JSON value. Numbers are safe integers; objects inherit nothing: `__proto__` is a member like any other. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject

export interface JsonObject {
  readonly [name: string]: Json
}
