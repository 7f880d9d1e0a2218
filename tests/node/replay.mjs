// What a package answers in Node: `node replay.mjs package.onnx batches.json`.
//
// The batches are a list of `{column: values}` as golden records have them: a missing value is null. Printed is a list
// of `{output: rows}`, in the same JSON as a golden record's outputs: NaN is null, an infinity "inf" or "-inf".
import { readFile } from 'node:fs/promises'
import { InferenceSession, Tensor } from 'onnxruntime-node'

const [graph, batches] = process.argv.slice(2)
const session = await InferenceSession.create(graph, { intraOpNumThreads: 1, interOpNumThreads: 1 })
const answers = []
for (const columns of JSON.parse(await readFile(batches, 'utf8'))) {
  answers.push(plain(await session.run(feed(columns))))
}
console.log(JSON.stringify(answers))

// An input is named as the column that it takes.
function feed(columns) {
  return Object.fromEntries(session.inputMetadata.map(({ name, type }) => [name, tensor(type, columns[name])]))
}

function tensor(type, values) {
  if (type === 'int64') return new Tensor(type, BigInt64Array.from(values, BigInt), [values.length, 1])
  const data = type === 'string' ? values.map((text) => text ?? '') : Float64Array.from(values, number)
  return new Tensor(type, data, [values.length, 1])
}

function number(value) {
  return { inf: Infinity, '-inf': -Infinity }[value] ?? value ?? NaN
}

function plain(answer) {
  return Object.fromEntries(Object.entries(answer).map(([name, found]) => [name, rows(found)]))
}

function rows({ type, data, dims: [n, width = 1] }) {
  const cells = Array.from(data, (value) => cell(type, value))
  return Array.from({ length: n }, (_, row) => cells.slice(row * width, (row + 1) * width))
}

function cell(type, value) {
  if (type === 'bool') return Boolean(value)
  if (type === 'int64') return Number(value)
  if (type === 'string' || Number.isFinite(value)) return value
  return Number.isNaN(value) ? null : value > 0 ? 'inf' : '-inf'
}
