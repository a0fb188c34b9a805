import { Button, Modal, SegmentedControl } from '@mantine/core'
import { useEffect, useState } from 'react'
import { chooseMouse, HANDS, useMouseHands, type Hand, type MouseHands } from '@/lib/hands'
import { chooseKeys, forgetKeys, keysOf, partsOf, spelt, useKeys, useRegisteredKeys, type ShownKey } from '@/lib/keys'
import classes from './KeySheet.module.css'

/** `?`: the keys that work on this screen, as registered by what is shown; each may be given another. */
export function KeySheet({ opened, onToggle }: { opened: boolean; onToggle: (opened: boolean) => void }) {
  useKeys('Everywhere', [{ keys: '?', label: 'Show these keys', run: () => onToggle(!opened) }])
  const [changing, setChanging] = useState(false)
  const close = () => {
    setChanging(false)
    onToggle(false)
  }
  return (
    <Modal opened={opened} onClose={close} title="Keys of this screen" size={700} closeOnEscape={!changing}>
      {opened ? <Sheet changing={changing} onChanging={setChanging} /> : null}
    </Modal>
  )
}

function Sheet({ changing, onChanging }: { changing: boolean; onChanging: (changing: boolean) => void }) {
  const groups = useRegisteredKeys().filter((entry) => entry.bindings.length > 0)
  const [asked, setAsked] = useState<ShownKey | null>(null)
  const [said, setSaid] = useState('')
  const names = [...new Set(groups.map((entry) => entry.group))].reverse()
  const own = groups.some((entry) => entry.bindings.some((binding) => binding.isOwn))
  useEffect(() => {
    if (!asked) return
    const take = (event: KeyboardEvent) => {
      if (['Shift', 'Control', 'Alt', 'Meta'].includes(event.key)) return
      event.preventDefault()
      event.stopImmediatePropagation()
      setAsked(null)
      if (event.key === 'Escape') return setSaid('')
      const keys = keysOf(event)
      const taken = chooseKeys(asked.id, keys)
      setSaid(taken === null ? `${asked.label}: ${spelt(keys)}` : `${spelt(keys)} is taken: ${taken}. Give that another key first.`)
    }
    window.addEventListener('keydown', take, true)
    return () => window.removeEventListener('keydown', take, true)
  }, [asked])
  return (
    <>
      <div className={classes['bar']}>
        <p role="status">{asked ? `Press the key for: ${asked.label}. Escape leaves it.` : said || (changing ? 'Choose what gets another key.' : '')}</p>
        {changing && own ? (
          <Button
            variant="subtle"
            size="xs"
            onClick={() => {
              forgetKeys()
              setSaid('All keys are the usual ones.')
            }}
          >
            Usual keys
          </Button>
        ) : null}
        <Button
          variant="default"
          size="xs"
          onClick={() => {
            setAsked(null)
            setSaid('')
            onChanging(!changing)
          }}
        >
          {changing ? 'Done' : 'Change keys'}
        </Button>
      </div>
      {names.includes('Images') ? <Mouse /> : null}
      <div className={classes['groups']}>
        {names.map((name) => (
          <section key={name}>
            <h2>{name}</h2>
            <dl>
              {groups
                .filter((entry) => entry.group === name)
                .flatMap((entry) => entry.bindings)
                .map((binding) => (
                  <div key={binding.id + binding.label} data-asked={asked?.id === binding.id || undefined}>
                    <dt>
                      {changing && binding.isFree ? (
                        <Button variant="default" size="compact-xs" aria-label={`Another key for: ${binding.label}`} onClick={() => setAsked(binding)}>
                          {asked?.id === binding.id ? 'Press' : spelt(binding.keys)}
                        </Button>
                      ) : (
                        partsOf(binding.keys).map((key) => <kbd key={key}>{key}</kbd>)
                      )}
                    </dt>
                    <dd>
                      {binding.label}
                      {binding.isOwn ? <em> yours</em> : null}
                    </dd>
                  </div>
                ))}
            </dl>
          </section>
        ))}
      </div>
    </>
  )
}

const HAND_LABEL: Record<Hand, string> = { scroll: 'Scroll', window: 'Window', zoom: 'Zoom', pan: 'Pan' }
const BUTTONS: { button: keyof MouseHands; label: string }[] = [
  { button: 'right', label: 'Right button' },
  { button: 'middle', label: 'Middle button' },
]

/** The first button draws with the chosen tool, the wheel scrolls; the other two are each person's own. */
function Mouse() {
  const hands = useMouseHands()
  return (
    <section className={classes['mouse']}>
      <h2>Mouse on images</h2>
      {BUTTONS.map(({ button, label }) => (
        <div key={button}>
          <span id={`mouse-${button}`}>{label}</span>
          <SegmentedControl
            size="xs"
            aria-labelledby={`mouse-${button}`}
            data={HANDS.map((hand) => ({ value: hand, label: HAND_LABEL[hand] }))}
            value={hands[button]}
            onChange={(hand) => chooseMouse({ [button]: hand as Hand })}
          />
        </div>
      ))}
    </section>
  )
}
