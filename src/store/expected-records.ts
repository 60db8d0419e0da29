import { nameOf } from './keyspace.ts'

/** Keys that must be there, each exactly once. */
export class ExpectedRecords {
  readonly #keys = new Set<string>()

  add(key: Buffer): void {
    this.#keys.add(key.toString('latin1'))
  }

  remove(key: Buffer): boolean {
    return this.#keys.delete(key.toString('latin1'))
  }

  left(): string[] {
    return [...this.#keys].map((text) => nameOf(Buffer.from(text, 'latin1')))
  }
}
