import { Select, Switch } from '@mantine/core'
import { Sheets } from './Sheets'
import { GRIDS, pagesOf, paperLayout, type GridName, type PaperName } from './paper'
import classes from './export.module.css'

export interface PaperChoices {
  paper: PaperName
  lying: boolean
  grid: GridName
  trueSize: boolean
}

/** On what is printed. `unscaled`: why true size is none of what is printed; undefined where it can be. */
export function PaperChoice({ choices, onChoose, unscaled }: { choices: PaperChoices; onChoose: (change: Partial<PaperChoices>) => void; unscaled: string | undefined }) {
  return (
    <>
      <div className={classes['pair']}>
        <Select label="Paper" allowDeselect={false} value={choices.paper} onChange={(value) => onChoose({ paper: value === 'Letter' ? 'Letter' : 'A4' })} data={['A4', 'Letter']} />
        <Select
          label="Images a sheet"
          allowDeselect={false}
          value={choices.grid}
          onChange={(value) => onChoose({ grid: (value ?? '1x1') as GridName })}
          data={GRIDS.map((grid) => ({ value: grid, label: grid.replace('x', ' × ') }))}
        />
      </div>
      <Switch label="Sheet lies on its side" checked={choices.lying} onChange={(event) => onChoose({ lying: event.currentTarget.checked })} />
      <Switch label="True size, 1 : 1" description={unscaled} checked={choices.trueSize} onChange={(event) => onChoose({ trueSize: event.currentTarget.checked })} />
    </>
  )
}

/** The sheets as they will be printed, made small. */
export function Pages(props: Parameters<typeof Sheets>[0]) {
  const { width, height, columns, rows } = paperLayout(props.paper, props.lying, props.grid)
  const pxPerMm = 96 / 25.4
  const scale = Math.min(1, 470 / (width * pxPerMm))
  return (
    <div className={classes['pages']} data-testid="pages">
      {pagesOf(props.pictures, columns * rows).map((_, at) => (
        <div key={at} className={classes['page']} style={{ width: width * pxPerMm * scale, height: height * pxPerMm * scale }}>
          <div style={{ transform: `scale(${scale})`, transformOrigin: '0 0' }}>
            <Sheets {...props} only={at + 1} />
          </div>
        </div>
      ))}
    </div>
  )
}

export function sheetsFor(count: number, grid: GridName): string {
  const [columns = 1, rows = 1] = grid.split('x').map(Number)
  const sheets = Math.ceil(count / (columns * rows))
  return `${count} image${count === 1 ? '' : 's'} on ${sheets} sheet${sheets === 1 ? '' : 's'}`
}
