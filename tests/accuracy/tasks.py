"""The list of all tasks."""

import classify
import detect
import g2p
import language
import segment
import speech
import superres
import vad

TASKS = {t.name: t for module in (classify, detect, segment, superres, language,
                                  g2p, speech, vad) for t in module.TASKS}
