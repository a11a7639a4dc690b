#!/usr/bin/python3
"""The reference documentation: the library by gi-docgen, and a page for each element of the plugin.

SPDX-License-Identifier: LGPL-2.1-or-later

    make-reference.py GI-DOCGEN SIMCLR.GIR SOURCES OUTPUT

SOURCES is the source tree's root; the plugin is found where GST_PLUGIN_PATH says. A page holds the element's doc
block, and its pads, properties and signals as GStreamer's registry has them.
"""
import glob
import os
import re
import subprocess
import sys
import tempfile

import gi

gi.require_version('Gst', '1.0')
from gi.repository import GObject, Gst

# flags of GStreamer on GParamSpec, which its typelib does not name
MUTABLE = {1 << 10: 'in the states NULL and READY', 1 << 11: 'up to PAUSED', 1 << 12: 'at any time'}


def read_doc_blocks(sources):
    """Returns {element: Markdown} from the comments at the head of the plugin's files."""
    blocks = {}
    for path in sorted(glob.glob(os.path.join(sources, 'plugins', '*.c'))):
        with open(path, encoding='utf-8') as file:
            found = re.search(r'/\*\*\n \* SECTION:element-(\w+)\n(.*?)\n \*/', file.read(), re.S)
        if found:
            lines = [line[3:] for line in found[2].splitlines()]
            blocks[found[1]] = to_markdown('\n'.join(line for line in lines if not line.startswith('@')))
    return blocks


def to_markdown(text):
    """gtk-doc's marks become Markdown's."""
    text = re.sub(r'\|\[\n(.*?)\]\|', r'```\n\1```\n', text, flags=re.S)
    text = re.sub(r'#Gst\w+:([\w-]+)', r'`\1`', text)
    text = re.sub(r'#(g\w+|G\w+)', r'`\1`', text)
    text = re.sub(r'(?<![`\w])(simclr_\w+\(\))', r'`\1`', text)
    return text.strip() + '\n'


def escape(text):
    return re.sub(r'([|<>*_])', r'\\\1', text)


def default_of(spec):
    """Older PyGObject has an attribute, newer a method."""
    return spec.get_default_value() if hasattr(spec, 'get_default_value') else spec.default_value


def describe_range(spec):
    default = default_of(spec)
    if isinstance(default, GObject.GEnum):
        return ', '.join(f'`{value.value_nick}`' for value in type(default).__enum_values__.values())
    if hasattr(spec, 'minimum') and spec.value_type != GObject.TYPE_BOOLEAN:
        return f'{spec.minimum:g} to {spec.maximum:g}' if isinstance(spec.minimum, float) else \
            f'{spec.minimum} to {spec.maximum}'
    return ''


def describe_default(spec):
    value = default_of(spec)
    if isinstance(value, GObject.GEnum):
        return f'`{value.value_nick}`'
    if isinstance(value, bool):
        return f'`{str(value).lower()}`'
    if isinstance(value, float):
        return f'`{value:g}`'
    return '' if value is None else f'`{value}`'


def describe_properties(klass):
    """The properties that are the element's own, in the order of their names."""
    for spec in sorted(klass.list_properties(), key=lambda spec: spec.name):
        if spec.owner_type.name in ('GObject', 'GstObject', 'GstElement') or spec.name == 'parent':
            continue
        facts = [f'`{spec.value_type.name}`']
        if describe_range(spec):
            facts.append(describe_range(spec))
        if not spec.flags & GObject.ParamFlags.WRITABLE:
            facts.append('read only')
        else:
            if describe_default(spec):
                facts.append('default ' + describe_default(spec))
            facts += [f'may be set {when}' for flag, when in MUTABLE.items() if int(spec.flags) & flag]
        yield f'### {spec.name}\n\n{escape(spec.blurb)}\n\n*{"; ".join(facts)}*\n'


def describe_pads(factory):
    for template in factory.get_static_pad_templates():
        caps = template.get_caps().to_string().split('; ')
        yield (f'### {template.name_template}\n\n{template.direction.value_nick}, {template.presence.value_nick}\n\n'
               '```\n' + '\n'.join(caps) + '\n```\n')


def describe_signals(klass):
    for number in GObject.signal_list_ids(klass):
        query = GObject.signal_query(number)
        parameters = ', '.join(kind.name for kind in query.param_types)
        kind = 'action signal' if query.signal_flags & GObject.SignalFlags.ACTION else 'signal'
        yield f'* `{query.signal_name}` ({parameters}) returns `{query.return_type.name}`, {kind}\n'


def section(title, parts):
    parts = list(parts)
    return [f'## {title}\n'] + parts if parts else []


def make_page(name, block):
    factory = Gst.ElementFactory.find(name)
    if factory is None:
        return None  # not built here
    klass = type(Gst.ElementFactory.make(name, None))
    head = (f'Title: {name}\n\n# {name}\n\n{factory.get_metadata("description")}\n\n'
            f'*{factory.get_metadata("klass")}*\n')
    parts = [head, block, *section('Pads', describe_pads(factory)),
             *section('Properties', describe_properties(klass)),
             *section('Signals', describe_signals(klass))]
    return '\n'.join(parts)


def main():
    docgen, gir, sources, output = sys.argv[1:]
    Gst.init(None)
    with tempfile.TemporaryDirectory() as folder:
        pages = ['overview.md']
        for name, block in read_doc_blocks(sources).items():
            page = make_page(name, block)
            if page:
                pages.append(name + '.md')
                with open(os.path.join(folder, pages[-1]), 'w', encoding='utf-8') as file:
                    file.write(page)
        assert len(pages) > 1, 'GStreamer finds no element of the plugin'
        here = os.path.dirname(os.path.abspath(__file__))
        with open(os.path.join(here, 'overview.md'), encoding='utf-8') as file:
            overview = file.read()
        with open(os.path.join(folder, 'overview.md'), 'w', encoding='utf-8') as file:
            file.write(overview.replace('@ELEMENTS@', '\n'.join(
                f'* [{page[:-3]}]({page[:-3]}.html): {Gst.ElementFactory.find(page[:-3]).get_metadata("description")}'
                for page in pages[1:])))
        with open(os.path.join(here, 'simclr.toml'), encoding='utf-8') as file:
            settings = file.read()
        with open(os.path.join(folder, 'simclr.toml'), 'w', encoding='utf-8') as file:
            file.write(settings + f'content_files = {pages}\n')
        subprocess.run([docgen, 'generate', '--quiet', '--fatal-warnings', '--no-namespace-dir',
                        '--add-include-path', os.path.dirname(gir), '--config', os.path.join(folder, 'simclr.toml'),
                        '--content-dir', folder, '--output-dir', output, gir], check=True)


if __name__ == '__main__':
    main()
