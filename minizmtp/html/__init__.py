"""Conversations as a page: one file of HTML that needs no network, no script and no server.

    conversation   turns spans into writes, rows and words: the content of a page, without its layout
    plots          turns numbers into SVG
    page           turns a title and some conversations into the text of a page
    __main__       the recorded conversations as a page: `python -m minizmtp.html zmtp.html`

    templates/     the HTML, for Jinja2: `base.html` around everything, `conversation.html` the two lifelines and what
                   passed between them, `style.css` the looks: light and dark, wide and narrow, and on paper

To show what crossed a wire, call `conversation_page(title, conversations)`. It needs Jinja2 and svg.py:
`pip install 'minizmtp[html]'`.
"""
