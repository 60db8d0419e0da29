/** So many characters do not wait any longer: just under the 16 KB that pino writes at once. */
const FLUSH_LENGTH = 16_000
/** Milliseconds that fewer wait. */
const FLUSH_INTERVAL = 200

/** Takes lines and hands on many at once. */
export interface BufferedLines {
  write(line: string): void
  flush(): void
}

/** All threads write through the main one: of two that write to a pipe at once, lines could be mixed. The main one's wait alike. */
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
