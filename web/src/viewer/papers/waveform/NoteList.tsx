import type { Note } from './annotations'
import { clock } from './sheet'
import classes from './waveform.module.css'

/** What the device wrote: statements and measurements first, then what it marked along the curve. */
export function NoteList({ notes, chosen, onChoose }: { notes: readonly Note[]; chosen: string | null; onChoose: (note: Note) => void }) {
  const of = (kind: Note['kind']) => notes.filter((note) => note.kind === kind)
  const [statements, measurements, marks] = [of('statement'), of('measurement'), of('mark')]
  return (
    <aside className={classes['notes']} aria-label="Annotations of the recording">
      {statements.length ? (
        <section>
          <h3>Statements</h3>
          <ul>
            {statements.map((note) => (
              <li key={note.key}>{note.words}</li>
            ))}
          </ul>
        </section>
      ) : null}
      {measurements.length ? (
        <section>
          <h3>Measurements</h3>
          <dl>
            {measurements.map((note) => (
              <div key={note.key}>
                <dt>{note.words}</dt>
                <dd>{note.value}</dd>
              </div>
            ))}
          </dl>
        </section>
      ) : null}
      {marks.length ? (
        <details open={marks.length <= 12}>
          <summary>Marks: {marks.length}</summary>
          <ul>
            {marks.map((note) => (
              <li key={note.key}>
                <button type="button" aria-current={note.key === chosen || undefined} onClick={() => onChoose(note)}>
                  <span>{note.words}</span>
                  <span>{clock(note.spans[0]?.[0] ?? 0)}</span>
                </button>
              </li>
            ))}
          </ul>
        </details>
      ) : null}
      <p>Written by the device that recorded it.</p>
    </aside>
  )
}
