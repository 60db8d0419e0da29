import { createHash } from 'node:crypto'
import { canonicalJson, fileJson } from './canonical-json.ts'
import type { KeyEntry, TestKey } from './test-key.ts'

export interface RoleEntry {
  keyids: string[]
  threshold: number
}

export interface FileMeta {
  hashes: Record<string, string>
  length: number
  custom?: unknown
}

export interface DelegationEntry extends RoleEntry {
  name: string
  paths?: string[]
}

export interface RootPayload {
  _type: string
  consistent_snapshot: boolean
  expires: string
  keys: Record<string, KeyEntry>
  roles: Record<string, RoleEntry>
  version: number
}

export interface TargetsPayload {
  _type: string
  delegations: { keys: Record<string, KeyEntry>; roles: DelegationEntry[] }
  expires: string
  targets: Record<string, FileMeta>
  version: number
}

/** Payload of snapshot and timestamp. */
export interface MetaPayload {
  _type: string
  expires: string
  meta: Record<string, FileMeta>
  version: number
}

export interface SignatureEntry {
  keyid: string
  method: string
  sig: string
}

/** Signs a payload with these keys, as Go clients write it (wire spec §11.1). */
export function signedFile(payload: object, signers: readonly TestKey[]): Buffer {
  return envelope(fileJson(payload), signaturesOf(canonicalJson(payload), signers))
}

export function signaturesOf(message: string, signers: readonly TestKey[]): SignatureEntry[] {
  return signers.map((key) => ({
    keyid: key.id,
    method: key.method,
    sig: key.sign(Buffer.from(message)).toString('base64'),
  }))
}

export function envelope(signed: string, signatures: readonly SignatureEntry[]): Buffer {
  const list = signatures.map(({ keyid, method, sig }) => JSON.stringify({ keyid, method, sig }))
  return Buffer.from(`{"signed":${signed},"signatures":[${list.join(',')}]}`)
}

/** Returns the entry for these bytes in a snapshot or timestamp. */
export function fileMeta(bytes: Uint8Array): FileMeta {
  const digest = (algorithm: string): string => createHash(algorithm).update(bytes).digest('base64')
  return { hashes: { sha256: digest('sha256'), sha512: digest('sha512') }, length: bytes.length }
}

/** Formats a time as RFC 3339, as Go writes it. */
export function timeText(ms: number): string {
  return new Date(ms).toISOString().replace(/\.?0*Z$/, 'Z')
}
