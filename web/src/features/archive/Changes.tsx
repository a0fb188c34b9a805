import classes from './lifecycle.module.css'
import type { Change } from './types'
import { fieldWord, valueWord } from './words'

/** Before and after, line by line. Where all lines are of one thing, its name is said once. */
export function Changes({ changes, label }: { changes: readonly Change[]; label: string }) {
  const scopes = new Set(changes.map((change) => change.scope))
  return (
    <table className={classes['changes']} aria-label={label}>
      {scopes.size === 1 && changes[0]?.scope !== 'study' ? <caption>{changes[0]?.scope}</caption> : null}
      <thead>
        <tr>
          <th scope="col">What</th>
          <th scope="col">Before</th>
          <th scope="col">After</th>
        </tr>
      </thead>
      <tbody>
        {changes.map((change, index) => (
          <tr key={`${change.field} ${change.scope} ${index}`}>
            <td>
              {fieldWord(change.field)}
              {scopes.size > 1 ? <small>{change.scope}</small> : null}
            </td>
            <td title={change.field.endsWith('UID') ? change.before : undefined}>
              {change.before ? <s>{valueWord(change, change.before)}</s> : <em>empty</em>}
            </td>
            <td title={change.field.endsWith('UID') ? change.after : undefined}>
              {change.after ? <strong>{valueWord(change, change.after)}</strong> : <em>empty</em>}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}
