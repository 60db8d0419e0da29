/** Characters at which lines are handed on: just under the 16 KB that pino writes at once. */
const FLUSH_LENGTH = 16_000
/** Milliseconds that fewer characters wait. */
const FLUSH_INTERVAL = 200

/** Collects lines and hands them on in batches. */
export interface BufferedLines {
  write(line: string): void
  flush(): void
}

/**
 * Collects lines and hands them on in batches. Other threads hand theirs to the main thread, which alone writes: if two
 * wrote to a pipe at once, their lines could mix. The main thread collects its own in the same way.
 */
export function bufferedLines(handOn: (text: string) => void): BufferedLines {
  let text = ''
  let timer: NodeJS.Timeout | undefined
  const flush = (): void => {
    clearTimeout(timer)
    timer = undefined
    if (text !== '') handOn(text)
    text = ''
  }
  return {
    write(line) {
      text += line
      if (text.length >= FLUSH_LENGTH) flush()
      else timer ??= setTimeout(flush, FLUSH_INTERVAL)
    },
    flush,
  }
}
