/** What a terminal would act on instead of showing it, or show in another place. */
export const INVISIBLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu
/** Where one of them may be, and JSON itself has not escaped it: quicker to look for, and seldom there. */
// oxlint-disable-next-line no-control-regex
const BEYOND_TEXT = /[\u007f-\uffff]/

/**
 * JSON that means the same, and that a terminal only shows: clients choose what they call themselves, publishers how tags
 * are called, and JSON alone escapes only some characters.
 *
 * @param json one or many, with line feeds between members or lines alone
 */
export function forTerminals(json: string): string {
  return BEYOND_TEXT.test(json) ? json.replace(INVISIBLE, escaped) : json
}

function escaped(character: string): string {
  if (character === '\n') return character
  const units = Array.from({ length: character.length }, (_, at) => character.charCodeAt(at))
  return units.map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`).join('')
}
