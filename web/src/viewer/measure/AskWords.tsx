import { Button, Modal, TextInput } from '@mantine/core'
import { useState } from 'react'

/** The words of an arrow or a text; null: none. */
export function AskWords({ before, onDone }: { before: string; onDone: (words: string | null) => void }) {
  const [words, setWords] = useState(before)
  return (
    <Modal opened onClose={() => onDone(null)} title="Text on the image" size="sm" centered>
      <form
        onSubmit={(event) => {
          event.preventDefault()
          onDone(words.trim() || null)
        }}
      >
        <TextInput label="Text" value={words} onChange={(event) => setWords(event.currentTarget.value)} maxLength={120} data-autofocus />
        <Button type="submit" mt="md" disabled={!words.trim()}>
          Put it on the image
        </Button>
      </form>
    </Modal>
  )
}
