#!/usr/bin/python3
"""Every pipeline that an element's documentation prints runs as printed, on test pictures.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import glob
import os
import re
import subprocess

from launch import folder, run
import tap

PLUGINS = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', 'plugins')


def list_pipelines(path):
    with open(path, encoding='utf-8') as file:
        text = file.read()
    for block in re.findall(r'\|\[(.*?)\]\|', text, re.DOTALL):
        for line in block.splitlines():
            line = line.strip(' *')
            if line.startswith('gst-launch-1.0 '):
                yield line.removeprefix('gst-launch-1.0 ')
            elif line.startswith('yes '):  # writes a file of labels
                yield line


def check(element):
    pipelines = list(list_pipelines(os.path.join(PLUGINS, f'gst{element}.c')))
    assert pipelines
    with folder() as path:
        home = os.getcwd()
        os.chdir(path)
        try:
            for pipeline in pipelines:
                if pipeline.startswith('yes '):
                    subprocess.run(pipeline, shell=True, check=True)
                    continue
                # a screen is not everywhere; -m is given anyway
                run(pipeline.replace('autovideosink', 'fakesink').removeprefix('-m '))
        finally:
            os.chdir(home)


def test_every_element_prints_pipelines():
    elements = re.findall(r'GST_ELEMENT_REGISTER \((\w+),',
                          open(os.path.join(PLUGINS, 'gstsimclrplugin.c'), encoding='utf-8').read())
    assert len(elements) >= 4
    documented = {os.path.basename(path)[3:-2] for path in glob.glob(PLUGINS + '/gstsimclr*.c')
                  if list(list_pipelines(path))}
    assert set(elements) <= documented, documented


def test_pipelines_of_simclrreplay():
    check('simclrreplay')


def test_pipelines_of_simclraugment():
    check('simclraugment')


def test_pipelines_of_simclrencoder():
    check('simclrencoder')


def test_pipelines_of_simclrtrainer():
    check('simclrtrainer')


def test_pipelines_of_simclrclassifier():
    check('simclrclassifier')


def test_pipelines_of_simclrindex():
    check('simclrindex')


def test_pipelines_of_simclrgate():
    check('simclrgate')


def test_pipelines_of_simclrpublish():
    check('simclrpublish')


def test_pipelines_of_simclrplot():
    if not os.environ.get('SIMCLR_OVERLAY'):
        raise tap.Skip('simclrplot was not built: there is no Pango')
    check('simclrplot')


def test_pipelines_of_simclroverlay():
    if not os.environ.get('SIMCLR_OVERLAY'):
        raise tap.Skip('simclroverlay was not built: there is no Pango')
    check('simclroverlay')


tap.run(globals())
