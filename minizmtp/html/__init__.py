"""Conversations as a page: one file of HTML that needs no network, no script and no server.

    conversation   spans become writes, rows and words: what a page shows, without how
    plots          numbers become SVG
    page           a title and some conversations become the text of a page
    __main__       the recorded conversations as a page: `python -m minizmtp.html zmtp.html`

    templates/     the HTML, for Jinja2: `base.html` around everything, `conversation.html` the two lifelines and what
                   passed between them, `style.css` the looks: light and dark, wide and narrow, and on paper

Of interest to whoever wants to show what crossed a wire: `conversation_page(title, conversations)` is all there is to
call. It needs Jinja2 and svg.py: `pip install 'minizmtp[html]'`.
"""
