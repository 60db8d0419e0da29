/** So many characters do not wait any longer: just under the 16 KB that pino writes at once. */
const FLUSH_LENGTH = 16_000
/** Milliseconds that fewer wait. */
const FLUSH_INTERVAL = 200

/** Takes lines and hands on many at once. */
export interface BufferedLines {
  write(line: string): void
  flush(): void
}

/**
 * Lines that wait for others to be handed on with. Other threads hand theirs to the main one, which alone writes: if
 * two wrote to a pipe at once, their lines could be mixed. The main thread collects its own in the same way.
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
