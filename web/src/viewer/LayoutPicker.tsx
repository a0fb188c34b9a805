import { ActionIcon, Popover, Tooltip } from '@mantine/core'
import { IconLayoutGrid } from '@tabler/icons-react'
import { useState } from 'react'
import { isSame, MOST, type Layout } from './layout'
import classes from './viewer.module.css'

const SIZES = Array.from({ length: MOST }, (_, at) => at + 1)

/** Rows and columns of panes, chosen by the cell at their lower right. */
export function LayoutPicker({ layout, onLayout }: { layout: Layout; onLayout: (layout: Layout) => void }) {
  const [opened, setOpened] = useState(false)
  const [over, setOver] = useState<Layout | null>(null)
  const shown = over ?? layout
  return (
    <Popover opened={opened} onChange={setOpened} withinPortal position="bottom-end" trapFocus returnFocus>
      <Popover.Target>
        <Tooltip label="Layout" openDelay={400} disabled={opened}>
          <ActionIcon variant="subtle" aria-label="Layout" aria-expanded={opened} onClick={() => setOpened(!opened)}>
            <IconLayoutGrid size={20} />
          </ActionIcon>
        </Tooltip>
      </Popover.Target>
      <Popover.Dropdown className={classes['picker']} onMouseLeave={() => setOver(null)}>
        <div role="group" aria-label="Rows and columns">
          {SIZES.flatMap((rows) =>
            SIZES.map((columns) => (
              <button
                key={`${rows}${columns}`}
                type="button"
                aria-label={`${rows} by ${columns}`}
                aria-pressed={isSame(layout, { rows, columns })}
                data-lit={(rows <= shown.rows && columns <= shown.columns) || undefined}
                data-autofocus={isSame(layout, { rows, columns }) || undefined}
                onMouseEnter={() => setOver({ rows, columns })}
                onFocus={() => setOver({ rows, columns })}
                onClick={() => {
                  onLayout({ rows, columns })
                  setOpened(false)
                }}
              />
            )),
          )}
        </div>
        <p>
          {shown.rows} × {shown.columns}
        </p>
      </Popover.Dropdown>
    </Popover>
  )
}
