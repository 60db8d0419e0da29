/**
 * Returns a function that computes its result once per object, and keeps it as long as the object lives.
 *
 * @param compute further arguments may make it quicker, but must not change the result
 */
export function memoized<Key extends object, Value, Hints extends unknown[]>(
  compute: (key: Key, ...hints: Hints) => Value,
): (key: Key, ...hints: Hints) => Value {
  const answers = new WeakMap<Key, { readonly value: Value }>()
  return (key, ...hints) => {
    const kept = answers.get(key)
    if (kept !== undefined) return kept.value
    const value = compute(key, ...hints)
    answers.set(key, { value })
    return value
  }
}
