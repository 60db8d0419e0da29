import { readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { startBareServer } from './bare-server.ts'
import type { Contender, ContenderName } from './contender.ts'
import { startCountersign } from './countersign-server.ts'
import { history } from './history.ts'
import type { FigureMeasure, RateMeasure } from './measure.ts'
import { newRepository } from './new-repository.ts'
import { notaryMissing, startNotaryInMemory, startNotaryOverPostgres } from './notary-server.ts'
import { isAsked, readOptions, USAGE, type Options } from './options.ts'
import { populations } from './population.ts'
import { postgresMissing } from './postgres.ts'
import { publishing } from './publishing.ts'
import { reads } from './reads.ts'
import { report } from './report.ts'
import { resolution } from './resolution.ts'
import { rateResult, type FigureResult, type RateResult, type Results } from './results.ts'
import { runRounds } from './rounds.ts'
import { serverSigning } from './server-signing.ts'
import { Stage } from './stage.ts'
import { starts } from './start.ts'
import { TokenService } from './token-service.ts'

const RATES: readonly RateMeasure[] = [...reads, ...resolution, ...publishing, ...newRepository]
const FIGURES: readonly FigureMeasure[] = [...starts, ...populations, ...history, ...serverSigning]
type Launch = Readonly<Record<ContenderName, (tokens?: TokenService) => Promise<Contender>>>
const LAUNCH: Omit<Launch, 'other'> = {
  countersign: (tokens) => startCountersign(tokens),
  memory: startNotaryInMemory,
  postgres: startNotaryOverPostgres,
  bare: startBareServer,
}
const DOCUMENT = join(import.meta.dirname, '..', '..', 'docs', 'PERFORMANCE.md')
const BETWEEN_MARKS = /(<!-- bench: begin -->\n)[^]*(<!-- bench: end -->)/

const options = optionsOrEnd()
if (options === undefined) process.stdout.write(USAGE)
else if (options.list) process.stdout.write(`${[...RATES, ...FIGURES].map(({ name }) => name).join('\n')}\n`)
else await bench(options)

function optionsOrEnd(): Options | undefined {
  try {
    return readOptions(process.argv.slice(2))
  } catch (error) {
    process.stderr.write(`error: ${(error as Error).message}\nhint: scripts/bench --help\n`)
    process.exit(2)
  }
}

async function bench(options: Options): Promise<void> {
  const { only, large, against, rounds, seconds, checkout } = options
  const launch: Launch = { ...LAUNCH, other: (tokens) => startCountersign(tokens, checkout) }
  const chosen = <Each extends { name: string; large?: boolean }>(measures: readonly Each[]): Each[] =>
    measures.filter((measure) => (only === undefined ? large || measure.large !== true : isAsked(only, measure.name)))
  const rates = chosen(RATES)
  const names: ContenderName[] = ['countersign', ...against.filter((name) => isHere(name))]
  const results: Results = {
    time: new Date().toISOString(),
    machine: {
      cpu: cpus()[0]?.model ?? '',
      cores: cpus().length,
      node: process.versions.node,
      notary: notaryMissing() === undefined ? 'notary-server 0.7.0' : 'no notary-server',
    },
    rounds,
    seconds,
    rates: [
      ...(await findRates(
        launch,
        rates.filter(({ tokens }) => tokens !== true),
        names,
        options,
      )),
      ...(await findRates(
        launch,
        rates.filter(({ tokens }) => tokens === true),
        // The bare server knows no tokens.
        names.filter((name) => name !== 'bare'),
        options,
        new TokenService(),
      )),
    ],
    figures: await findFigures(launch, chosen(FIGURES), names),
  }
  progress('')
  process.stdout.write(report(results, false))
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(results, undefined, 2)}\n`)
  if (options.writeDocs) {
    const tables = report(results, true)
    writeFileSync(
      DOCUMENT,
      readFileSync(DOCUMENT, 'utf8').replace(BETWEEN_MARKS, (_, begin, end) => `${begin}\n${tables}\n${end}`),
    )
  }
}

async function findRates(
  launch: Launch,
  measures: readonly RateMeasure[],
  names: readonly ContenderName[],
  options: Options,
  tokens?: TokenService,
): Promise<RateResult[]> {
  if (measures.length === 0) return []
  const stages: Stage[] = []
  const found: RateResult[] = []
  try {
    for (const name of names) stages.push(new Stage(await launch[name](tokens)))
    for (const measure of measures) {
      found.push(rateResult(measure, await runRounds(measure, stages, options.rounds, options.seconds, progress)))
    }
  } finally {
    for (const { contender } of stages) await contender.stop()
  }
  return found
}

async function findFigures(
  launch: Launch,
  measures: readonly FigureMeasure[],
  names: readonly ContenderName[],
): Promise<FigureResult[]> {
  const results: FigureResult[] = []
  for (const measure of measures) {
    const found: Partial<Record<ContenderName, (number | undefined)[]>> = {}
    for (const who of names.filter((name) => measure.of.includes(name === 'other' ? 'countersign' : name))) {
      progress(`${measure.name}: ${who}`)
      const stage = new Stage(await launch[who]())
      try {
        found[who] = await measure.find(stage)
      } finally {
        await stage.contender.stop()
      }
    }
    for (const [index, figure] of measure.figures.entries()) {
      const each = names.map((who) => [who, found[who]?.[index]] as const)
      results.push({ measure: measure.name, ...figure, found: Object.fromEntries(each) })
    }
  }
  return results
}

function isHere(name: ContenderName): boolean {
  if (name === 'bare' || name === 'other') return true
  const missing = notaryMissing() ?? (name === 'postgres' ? postgresMissing() : undefined)
  if (missing !== undefined) process.stderr.write(`without ${name}: ${missing}\n`)
  return missing === undefined
}

/** Rewrites one line of progress, if a terminal shows it. */
function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`)
}
