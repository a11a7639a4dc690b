#!/usr/bin/python3
"""The reference documentation has a page for each element and class, and no link of it leads nowhere.

SPDX-License-Identifier: LGPL-2.1-or-later

    test-reference.py MAKE-REFERENCE GIR SOURCES
"""
import html
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..'))
import tap

import gi

gi.require_version('Gst', '1.0')
from gi.repository import Gst

FOLDER = tempfile.TemporaryDirectory()
PAGES = {}


def test_gi_docgen_makes_it():
    docgen = shutil.which('gi-docgen')
    if docgen is None:
        raise tap.Skip('gi-docgen is not installed')
    done = subprocess.run(['/usr/bin/python3', sys.argv[1], docgen, *sys.argv[2:], FOLDER.name + '/reference'],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    for name in os.listdir(FOLDER.name + '/reference'):
        if name.endswith('.html'):
            with open(os.path.join(FOLDER.name, 'reference', name), encoding='utf-8') as file:
                PAGES[name] = file.read()


def pages():
    if not PAGES:
        raise tap.Skip('there is no reference')
    return PAGES


def test_each_element_has_a_page_with_its_properties_and_pads():
    Gst.init(None)
    elements = [feature.get_name() for feature in Gst.Registry.get().get_feature_list_by_plugin('simclr')]
    assert elements
    for name in elements:
        text = html.unescape(re.sub(r'<[^>]+>', '', pages()[name + '.html'])).translate({0xa0: ' ', 0x2019: "'"})
        for spec in type(Gst.ElementFactory.make(name, None)).list_properties():
            if spec.owner_type.name.startswith('GstSimclr'):
                assert f'\n{spec.name}' in text or f'{spec.name}\n' in text, (name, spec.name)
                assert spec.blurb.split(';')[0][:30] in text, (name, spec.name, spec.blurb)
        for template in Gst.ElementFactory.find(name).get_static_pad_templates():
            caps = template.get_caps().to_string()
            assert re.sub(r'\W+', '', caps) in re.sub(r'\W+', '', text), (name, caps)
        assert 'gst-launch-1.0' in text, name


def test_links_lead_somewhere():
    for name, page in pages().items():
        for link in re.findall(r'href="([^":#]+)(?:#[^"]*)?"', page):
            assert os.path.exists(os.path.join(FOLDER.name, 'reference', link)), (name, link)


tap.run(globals())
