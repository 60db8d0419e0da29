import { table } from '../../src/cli/terminal/print.ts'
import { CONTENDERS, TITLES, type ContenderName } from './contender.ts'
import type { Comparison, FigureResult, RateResult, Results } from './results.ts'

/** Formats all results as text for a terminal, or as Markdown. */
export function report(results: Results, markdown: boolean): string {
  const { machine, rates, figures } = results
  const tabulate = markdown ? markdownTable : table
  const parts = [
    `${results.time.slice(0, 10)}, ${machine.cores} cores of ${machine.cpu}, Node ${machine.node}, ${machine.notary}`,
  ]
  if (rates.length > 0) {
    parts.push(tabulate(rateRows(rates)))
    parts.push(
      `medians of ${results.rounds} rounds of ${results.seconds} s; ×: Countersign's figure divided by the other one's, round by round: median (smallest–largest); CPU: of all processes of a server, microseconds for one operation`,
    )
    parts.push(rates.map(({ name, title }) => `${markdown ? '- ' : ''}${name}: ${title}`).join('\n'))
  }
  if (figures.length > 0) parts.push(tabulate(figureRows(figures)))
  parts.push(troubles(rates))
  return `${parts.join('\n\n')}\n`
}

function rateRows(rates: readonly RateResult[]): string[][] {
  const others = CONTENDERS.filter((who) => who !== 'countersign' && rates.some(({ against }) => against[who]))
  const head = ['measure', 'Countersign /s', 'CPU', 'p50 ms']
  for (const who of others) head.push(`${TITLES[who]} /s`, 'CPU', '× rate', '× CPU', 'goal')
  return [
    head,
    ...rates.map(({ name, perSecond, cpu, p50, against }) => [
      name,
      rounded(perSecond.countersign),
      rounded(cpu.countersign),
      rounded(p50.countersign),
      ...others.flatMap((who) =>
        perSecond[who] === 0
          ? ['died', '', '', '', '']
          : [rounded(perSecond[who]), rounded(cpu[who]), ...comparisonCells(against[who])],
      ),
    ]),
  ]
}

function comparisonCells(comparison: Comparison | undefined): string[] {
  if (comparison === undefined) return ['', '', '']
  const { rate, cpu, goal, reached } = comparison
  const times = `${rounded(rate.median)} (${rounded(rate.smallest)}–${rounded(rate.largest)})`
  const wish = goal === undefined ? '' : `≥ ${goal.rate}${goal.cpu === undefined ? '' : `, CPU ≤ ${goal.cpu}`}`
  return [times, rounded(cpu?.median), goal === undefined ? '' : `${wish} ${reached ? 'reached' : 'SHORT'}`]
}

function figureRows(figures: readonly FigureResult[]): string[][] {
  const columns = CONTENDERS.filter((who) => figures.some(({ found }) => found[who] !== undefined))
  return [
    ['what', 'unit', ...columns.map((who) => TITLES[who]), 'goal'],
    ...figures.map(({ title, unit, found, goal }) => [
      title,
      unit,
      ...columns.map((who) => rounded(found[who])),
      goal === undefined ? '' : `≤ ${goal} ${(found.countersign ?? Infinity) <= goal ? 'reached' : 'SHORT'}`,
    ]),
  ]
}

/** Lists errors and deaths, or says that there were none. */
function troubles(rates: readonly RateResult[]): string {
  const lines = rates.flatMap(({ name, rounds }) =>
    Object.entries(rounds).flatMap(([who, list]) => {
      const errors = list.reduce((sum, round) => sum + round.errors, 0)
      const deaths = list.reduce((sum, round) => sum + round.deaths, 0)
      const first = list.find((round) => round.firstError !== undefined)?.firstError ?? 'no answer'
      const what = `${errors} errors (${first.slice(0, 100)}), died ${deaths} times`
      return errors + deaths === 0 ? [] : [`${TITLES[who as ContenderName]}, ${name}: ${what}`]
    }),
  )
  return lines.length === 0 ? 'errors and deaths: none' : `errors and deaths:\n${lines.join('\n')}`
}

function markdownTable(rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  const [head = [], ...rest] = rows
  return [line(head), line(head.map((_, column) => (column === 0 ? '---' : '---:'))), ...rest.map(line)].join('\n')
}

/** Rounds to at most three significant digits: more would mean nothing. */
function rounded(value: number | undefined): string {
  if (value === undefined) return ''
  if (value >= 100) return Math.round(value).toLocaleString('en')
  return String(Number(value.toPrecision(value >= 10 ? 3 : 2)))
}
