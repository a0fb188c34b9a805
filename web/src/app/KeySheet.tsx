import { Modal } from '@mantine/core'
import { showKeys, useKeys, useRegisteredKeys } from '@/lib/keys'
import classes from './KeySheet.module.css'

/** `?`: the keys that work on this screen, as registered by what is shown. */
export function KeySheet({ opened, onToggle }: { opened: boolean; onToggle: (opened: boolean) => void }) {
  useKeys('Everywhere', [{ keys: '?', label: 'Show these keys', run: () => onToggle(!opened) }])
  const groups = useRegisteredKeys()
  const names = [...new Set(groups.map((entry) => entry.group))].reverse()
  return (
    <Modal opened={opened} onClose={() => onToggle(false)} title="Keys of this screen" size={640}>
      <div className={classes['groups']}>
        {names.map((name) => (
          <section key={name}>
            <h2>{name}</h2>
            <dl>
              {groups
                .filter((entry) => entry.group === name)
                .flatMap((entry) => entry.bindings)
                .map((binding) => (
                  <div key={binding.keys + binding.label}>
                    <dt>
                      {showKeys(binding.keys)
                        .split(' ')
                        .map((key) => (
                          <kbd key={key}>{key}</kbd>
                        ))}
                    </dt>
                    <dd>{binding.label}</dd>
                  </div>
                ))}
            </dl>
          </section>
        ))}
      </div>
    </Modal>
  )
}
