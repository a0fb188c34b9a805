import { EditorContent, Extension, useEditor } from '@tiptap/react'
import Placeholder from '@tiptap/extension-placeholder'
import { Plugin } from '@tiptap/pm/state'
import { Decoration, DecorationSet } from '@tiptap/pm/view'
import StarterKit from '@tiptap/starter-kit'
import { useEffect, useRef } from 'react'
import { markPlace, offerPlace } from '@/lib/insertion'
import classes from './report.module.css'
import { docOf, sectionTitle, spans } from './sections'

const BLANK_CLASS = classes['blank'] ?? ''
const SIDE_CLASS = classes['otherSide'] ?? ''

/** Marks what stands out while it is being written; the text itself stays plain. */
const standingOut = (side: string | null) =>
  Extension.create({
    name: 'standingOut',
    addProseMirrorPlugins: () => [
      new Plugin({
        props: {
          decorations: (state) => {
            const found: Decoration[] = []
            state.doc.descendants((node, position) => {
              if (!node.isTextblock) return true
              for (const span of spans(node.textContent, side)) {
                const from = position + 1 + span.from
                found.push(
                  span.what === 'blank'
                    ? Decoration.inline(from, position + 1 + span.to, { class: BLANK_CLASS })
                    : Decoration.inline(from, position + 1 + span.to, {
                        class: SIDE_CLASS,
                        title: `The order is for the ${side === 'L' ? 'LEFT' : 'RIGHT'} side`,
                      }),
                )
              }
              return false
            })
            return DecorationSet.create(state.doc, found)
          },
        },
      }),
    ],
  })

/** Keys of the screen that ProseMirror would otherwise swallow: left alone here, heard above. */
const isScreenKey = (event: KeyboardEvent) =>
  !event.isComposing &&
  (event.key === 'Escape' || ((event.ctrlKey || event.metaKey) && ['Enter', 'ArrowUp', 'ArrowDown'].includes(event.key)))

/** One section of a report: a heading and plain text in lines. Shown anew when `key` changes. */
export function SectionEditor({
  name,
  text,
  side,
  hint,
  faulty,
  onWrite,
}: {
  name: string
  text: string
  side: string | null
  hint?: string
  faulty: boolean
  onWrite: (name: string, text: string) => void
}) {
  const write = useRef(onWrite)
  useEffect(() => {
    write.current = onWrite
  })
  const title = sectionTitle(name)
  const editor = useEditor({
    extensions: [
      // Reports are plain text: that is what a signature, an HL7 message and a PDF hold.
      StarterKit.configure({
        blockquote: false,
        bold: false,
        bulletList: false,
        code: false,
        codeBlock: false,
        dropcursor: false,
        gapcursor: false,
        hardBreak: false,
        heading: false,
        horizontalRule: false,
        italic: false,
        link: false,
        listItem: false,
        listKeymap: false,
        orderedList: false,
        strike: false,
        trailingNode: false,
        underline: false,
      }),
      Placeholder.configure({ placeholder: hint ?? '' }),
      standingOut(side),
    ],
    content: docOf(text),
    editorProps: {
      attributes: {
        role: 'textbox',
        'aria-multiline': 'true',
        'aria-label': title,
        'data-section': name,
        spellcheck: 'true',
        class: classes['prose'] ?? '',
      },
      handleDOMEvents: { keydown: (_view, event) => isScreenKey(event) },
    },
    onFocus: () => markPlace(name),
    onUpdate: (event) => write.current(name, event.editor.getText({ blockSeparator: '\n' })),
  })
  useEffect(() => {
    const takeBack = offerPlace(name, (words) => {
      const lines = words.split('\n').map((line) => ({ type: 'paragraph', content: [{ type: 'text', text: line }] }))
      editor.chain().insertContentAt(editor.isEmpty ? 0 : editor.state.doc.content.size, lines).run()
    })
    return takeBack
  }, [editor, name])
  return (
    <section className={classes['section']} data-faulty={faulty || undefined}>
      <h3>{title}</h3>
      <EditorContent editor={editor} />
    </section>
  )
}
